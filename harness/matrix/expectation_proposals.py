"""Entries for failures that nothing expects. Why they fail is left to whoever understands it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.matrix.expectation_evidence import Judged
from harness.matrix.expectation_schema import LAYERS
from harness.matrix.expectation_text import write_entry
from harness.matrix.expectations import UNWRITTEN
from harness.matrix.grouping import describe, group_pairs
from harness.matrix.pairs import Box, Matrix, Pair
from harness.records import Outcome, Record

HARNESS, EXPORTER = "harness", "exporter"
# What differs between messages of one cause: the cell and example, names of outputs, numbers.
_PARTICULARS = (
    re.compile(r"\[[^\[\]]*\]"),
    re.compile(r"(?<=of )\S+(?=:)"),
    re.compile(r"'[^']*'|\"[^\"]*\""),
    re.compile(r"\S*[\d_/.]\S*"),
)


@dataclass(frozen=True, slots=True, order=True)
class _Cause:
    """What failures have in common that one entry may cover."""

    requirement: str
    exporter: str
    outcome: Outcome
    layer: str
    shape: str


def propose_entries(failures: Sequence[Pair], judged: Judged, matrix: Matrix) -> Iterator[str]:
    """Entries that cover exactly these failures: for each cause as few as boxes allow."""
    causes: dict[_Cause, list[Pair]] = defaultdict(list)
    for pair in sorted(failures):
        causes[_cause(judged.records[pair], judged.outcomes[pair])].append(pair)
    for cause, pairs in causes.items():
        for box in group_pairs(pairs, matrix):
            first = next(pair for pair in pairs if box.covers(pair))
            yield _write(box, cause, judged.records[first], matrix)


def _cause(record: Record, outcome: Outcome) -> _Cause:
    return _Cause(
        requirement=record.requirement,
        exporter=record.cell.exporter,
        outcome=outcome,
        layer=_layer(record, outcome),
        shape=_shape(_first_line(record)),
    )


def _layer(record: Record, outcome: Outcome) -> str:
    if record.blame in LAYERS:
        return record.blame
    return HARNESS if outcome is Outcome.ERRORED else EXPORTER


def _shape(line: str) -> str:
    for pattern in _PARTICULARS:
        line = pattern.sub("*", line)
    return line


def _first_line(record: Record) -> str:
    return next(iter(record.message.splitlines()), "")


def _write(box: Box, cause: _Cause, record: Record, matrix: Matrix) -> str:
    values = describe(box, matrix)
    if cause.outcome is not Outcome.FAILED:
        values["outcome"] = str(cause.outcome)
    values |= {"reason": UNWRITTEN, "issue": UNWRITTEN, "layer": cause.layer}
    return write_entry(values, comment=_first_line(record) or f"{cause.outcome} [{record.cell}]")
