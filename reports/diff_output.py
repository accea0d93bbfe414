"""Writes a diff as text for terminals, Markdown for comments and JSON for tools."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Any

from reports.diff import CellChange, ChangedSetting, ChangeKind, Diff, Drift
from reports.text import code, one_line

SCHEMA_VERSION = 1
FOLDED = frozenset({ChangeKind.ADDED, ChangeKind.REMOVED, ChangeKind.STILL_FAILING})
_ABSENT = "nothing"

Quote = Callable[[str], str]


class Format(StrEnum):
    """The formats in which a diff can be written."""

    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"
    JSON = "json"


def write_diff(diff: Diff, form: Format) -> str:
    """Return `diff` in any format except HTML, without a final newline."""
    if form is Format.JSON:
        return json.dumps(to_json(diff), indent=2, allow_nan=False)
    return "\n".join(_text(diff) if form is Format.TEXT else _markdown(diff))


def verdict(diff: Diff) -> str:
    """Return one sentence: whether something regressed, and how many cells changed how."""
    counts = [f"{len(diff.of(kind))} {kind.label}" for kind in ChangeKind if diff.of(kind)]
    counts += [f"{len(diff.drifted)} drifted"] if diff.drifted else []
    changes = ", ".join(counts) or "nothing changed"
    cut = "the new run is incomplete; " if diff.is_cut_short else ""
    return f"{cut}{'regressions' if diff.regressions else 'no regressions'} (cells: {changes})"


def settings_line(settings: Iterable[ChangedSetting], *, quote: Quote = one_line) -> str:
    """Return each changed setting as `torch 2.9.0 -> 2.10.0`, joined by commas."""
    return ", ".join(
        f"{quote(one.name)} {quote(one.old or _ABSENT)} -> {quote(one.new or _ABSENT)}"
        for one in settings
    )


def cell_line(change: CellChange, *, quote: Quote = one_line) -> str:
    """Return one line: the cell, its worst changed pair, how many more changed, the message."""
    lead, more = change.lead, len(change.pairs) - 1
    outcomes = f"{lead.old or 'not planned'} -> {lead.new or 'not planned'}"
    others = f" (and {more} more)" if more else ""
    message = f": {quote(lead.message)}" if lead.message else ""
    return f"{quote(change.cell)} {quote(lead.requirement)} {outcomes}{others}{message}"


def to_json(diff: Diff) -> dict[str, Any]:
    """Return the object that `diff --format json` prints; see `schemas/diff.schema.json`."""
    return {
        "schema_version": SCHEMA_VERSION,
        "regressions": bool(diff.regressions),
        "old": diff.old,
        "new": diff.new,
        "incomplete": list(diff.incomplete),
        "changed": [{"name": f.name, "old": f.old, "new": f.new} for f in diff.changed_settings],
        **{str(kind): [_cell_json(change) for change in diff.of(kind)] for kind in ChangeKind},
        "drifted": [
            {
                "cell": drift.cell,
                "requirement": drift.requirement,
                "output": drift.output,
                "old": drift.old,
                "new": drift.new,
            }
            for drift in diff.drifted
        ],
    }


def _cell_json(change: CellChange) -> dict[str, Any]:
    pairs = [
        {
            "requirement": pair.requirement,
            "old": None if pair.old is None else str(pair.old),
            "new": None if pair.new is None else str(pair.new),
            "message": pair.message,
        }
        for pair in change.pairs
    ]
    return {"cell": change.cell, "requirements": pairs}


def _text(diff: Diff) -> Iterator[str]:
    if diff.changed_settings:
        yield f"changed: {settings_line(diff.changed_settings)}"
    yield f"{one_line(diff.old)} -> {one_line(diff.new)}: {verdict(diff)}"
    yield from (f"incomplete: {one_line(reason)}" for reason in diff.incomplete)
    for _, title, lines in _sections(diff, one_line):
        yield from ("", title, *(f"  {line}" for line in lines))


def _markdown(diff: Diff) -> Iterator[str]:
    sign = "❌" if diff.regressions or diff.is_cut_short else "✅"
    if diff.changed_settings:
        yield from (f"**Changed:** {settings_line(diff.changed_settings, quote=code)}", "")
    yield f"{sign} {code(diff.old)} -> {code(diff.new)}: {verdict(diff)}"
    yield from (f"\n⚠️ Incomplete: {code(reason)}" for reason in diff.incomplete)
    for is_folded, title, lines in _sections(diff, code):
        items = (f"- {line}" for line in lines)
        if is_folded:
            opening = f"<details><summary>{title.capitalize()}</summary>"
            yield from ("", opening, "", *items, "", "</details>")
        else:
            yield from ("", f"### {title.capitalize()}", "", *items)


def _sections(diff: Diff, quote: Quote) -> Iterator[tuple[bool, str, list[str]]]:
    """Yield (whether the section is folded, title, lines) of each section."""
    for kind in ChangeKind:
        if changes := diff.of(kind):
            lines = [cell_line(change, quote=quote) for change in changes]
            yield kind in FOLDED, f"{kind.label}: {len(changes)}", lines
    if diff.drifted:
        lines = [_drift_line(drift, quote) for drift in diff.drifted]
        yield True, f"drifted: {len(diff.drifted)}", lines


def _drift_line(drift: Drift, quote: Quote) -> str:
    pair = f"{quote(drift.cell)} {quote(drift.requirement)} {quote(drift.output)}"
    return f"{pair}: needed atol {drift.old:.3g} -> {drift.new:.3g}"
