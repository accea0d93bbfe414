"""Drafts of findings for failures that no finding matches; a person adds reason and issue."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from harness.matrix.expectation_lists import write_list
from harness.matrix.expectation_schema import LAYERS
from harness.matrix.expectations import UNWRITTEN
from harness.matrix.opsets import format_opsets
from harness.records import Outcome, Record

WORDS = 16
"""A proposed pattern has at most so many words of the message."""

_ANYTHING = r"\S+"
_PARTICULAR = re.compile(r"[\d/%]|0x")
_NUMERIC = "got max_abs_diff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The texts of a new finding's two files, called `name`."""

    name: str
    finding: str
    cells: str


def draft_findings(
    failures: Sequence[Record], taken: Collection[str], ladder: Sequence[str]
) -> Iterator[Draft]:
    """Yield one finding for each kind of message of records without expectations applied.

    Names in `taken` are not used. `ladder` has all requirements in their order.
    """
    names = set(taken)
    for (_, pattern), records in _group(failures).items():
        first = records[0]
        name = _free_name(
            f"{first.cell.exporter}-opset{first.cell.opset}-{first.requirement}", names
        )
        names.add(name)
        found = {record.requirement for record in records}
        requirements = [requirement for requirement in ladder if requirement in found]
        pairs = ((str(record.cell), record.requirement) for record in records)
        yield Draft(
            name=name,
            finding=_write(pattern, requirements, records),
            cells=write_list(pairs, requirements),
        )


def propose_pattern(record: Record) -> str:
    """Return a regular expression of the first line, with numbers and paths generalised.

    The message of a numeric difference does not say why, so its architecture is named too.
    """
    line = _without_part(record)
    if _NUMERIC in line:
        return rf"{_NUMERIC} .*\[{re.escape(record.cell.architecture)}[~/]"
    error = line.partition(": got ")[2]
    text = (error if ": " in error else line).partition(f"[{record.cell}")[0]
    words = [_ANYTHING if _PARTICULAR.search(word) else re.escape(word) for word in text.split(" ")]
    while words and words[0] in {_ANYTHING, ""}:
        words.pop(0)
    words = words[:WORDS]
    while words and words[-1] in {_ANYTHING, ""}:
        words.pop()
    return " ".join(words) or re.escape(line)


def _group(failures: Sequence[Record]) -> dict[tuple[Outcome, str], list[Record]]:
    """Group records by pattern; short patterns first, which may match longer messages too."""
    proposed = sorted(
        ((propose_pattern(record), record) for record in failures),
        key=lambda one: (len(one[0]), one[0], str(one[1].cell), one[1].requirement),
    )
    found: dict[tuple[Outcome, str], list[Record]] = {}
    for pattern, record in proposed:
        keys = (
            key for key in found if key[0] is record.outcome and re.search(key[1], record.message)
        )
        found.setdefault(next(keys, (record.outcome, pattern)), []).append(record)
    return found


def _write(pattern: str, requirements: Sequence[str], records: Sequence[Record]) -> str:
    import tomlkit

    first = records[0]
    values = {
        "reason": UNWRITTEN,
        "issue": UNWRITTEN,
        "layer": _layer(first),
        "exporter": ",".join(sorted({record.cell.exporter for record in records})),
        "opsets": format_opsets(record.cell.opset for record in records),
        "requirement": ",".join(requirements),
        "outcome": str(first.outcome),
        "message": pattern,
        "example": _without_part(first),
    }
    if first.outcome is Outcome.FAILED:
        del values["outcome"]
    document = tomlkit.document()
    for key, value in values.items():
        is_literal = "\\" in value and value.isprintable() and "'''" not in f"{value}'"
        document[key] = tomlkit.string(
            value, literal=is_literal, multiline=is_literal and "'" in value
        )
    return tomlkit.dumps(document)


def _without_part(record: Record) -> str:
    return record.headline.removeprefix(f"{record.part}: ")


def _layer(record: Record) -> str:
    if record.blame in LAYERS:
        return record.blame
    return "harness" if record.outcome is Outcome.ERRORED else "exporter"


def _free_name(stem: str, taken: Collection[str]) -> str:
    number, name = 1, stem
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    return name
