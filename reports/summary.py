"""Summarises a run in at most 20 lines of Markdown, for pull requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.records import CellReport, Header, Run
from reports.diff import Diff, compare
from reports.diff_output import settings_line, verdict
from reports.tally import architecture_of, collapsed, modality_of, rows, tally, unexpected
from reports.text import code, table_row
from reports.verdict import verdict_of

MAX_LINES = 20
_MAX_GROUPS = 4
_SHORT, _LONG = 40, 160
_SIGNS = {"green": "✅", "red": "❌", "incomplete": "⚠️"}


def summary_lines(run: Run, baseline: Run | None = None) -> list[str]:
    """Return the verdict, a table of counts, the worst cells, and the changes since `baseline`.

    The plans may differ: a pull request judges only a part of a nightly run's cells.
    """
    reports = run.reports()
    diff = None if baseline is None else compare(baseline, run, allow_different=True)
    head = [*_head(run, reports), "", *_table(run.header, reports)]
    tail = [] if diff is None else ["", *_against(diff)]
    room = MAX_LINES - len(head) - len(tail) - 1
    worst = list(_worst(reports, diff, room=room))
    return [*head, *(["", *worst] if worst else []), *tail]


def _head(run: Run, reports: Sequence[CellReport]) -> Iterator[str]:
    found = verdict_of(run, reports)
    yield f"### {_SIGNS[found.level]} {found.headline}: {found.sentence}"
    yield ""
    header = run.header
    facts = {"profile": header.profile, "seed": str(header.seed), **header.versions}
    known = ", ".join(f"{_short(name)} {_short(value)}" for name, value in facts.items())
    yield f"Run {_short(header.run)}: {known}"


def _table(header: Header, reports: Sequence[CellReport]) -> Iterator[str]:
    """Yield a table with a row per architecture, or per modality if there are many."""
    title, counts = "architecture", tally(reports, architecture_of)
    if len(counts) > _MAX_GROUPS:
        title, counts = "modality", tally(reports, lambda cell: modality_of(header, cell))
    first, *others = rows(collapsed(counts, _MAX_GROUPS), title=title)
    yield table_row(*first)
    yield table_row("---", *("---:" for _ in first[1:]))
    for name, *numbers in others:
        yield table_row(_short(name), *numbers)


def _worst(reports: Sequence[CellReport], diff: Diff | None, *, room: int) -> Iterator[str]:
    """Yield at most `room` lines about unexpected cells: new regressions first, then the worst."""
    new = {change.cell for change in diff.regressions} if diff else set()
    bad = sorted(unexpected(reports), key=lambda report: str(report.cell) not in new)
    shown = bad if len(bad) <= room else bad[: room - 1]
    for report in shown:
        mark = "**new** " if str(report.cell) in new else ""
        record = report.worst
        message = code(record.headline, limit=_LONG)
        cell = code(str(report.cell), limit=_LONG)
        yield f"- {mark}{cell} {record.outcome} {_short(record.requirement)}: {message}"
    if len(bad) > len(shown):
        yield f"- and {len(bad) - len(shown)} more cells"


def _against(diff: Diff) -> Iterator[str]:
    changed = (
        f"; changed: {settings_line(diff.changed_settings, quote=_short)}"
        if diff.changed_settings
        else ""
    )
    yield f"Compared with {_short(diff.old)}: {verdict(diff)}{changed}"


def _short(text: str) -> str:
    return code(text, limit=_SHORT)
