"""Texts for the details of one cell: a row per requirement, its outputs, its axis sizes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from harness.records import CellReport, Outcome, Record
from harness.records.scope import show_reached
from reports.repro import command_of
from reports.signs import SIGNS, Sign

_UNJUDGED = {Outcome.NOT_RUN, Outcome.SKIPPED, Outcome.NOT_APPLICABLE}
_LOST = {Outcome.CRASHED, Outcome.TIMED_OUT, Outcome.ERRORED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A name and a value; `href` is set only if the value is a safe web address."""

    name: str
    value: str
    href: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementRow:
    """A row of a cell's table: one requirement, or consecutive ones with identical text."""

    requirements: tuple[str, ...]
    sign: Sign
    seconds: str
    examples: str
    error_ratio: str
    worst: str
    message: str
    facts: tuple[Fact, ...]
    replay: str | None
    repro: str | None
    traceback: str | None

    @property
    def has_details(self) -> bool:
        return bool(self.message or self.facts or self.replay or self.traceback)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputError:
    """The largest difference of one output from eager PyTorch, over all requirements.

    `needed` is the smallest atol with which the output would have passed.
    """

    output: str
    needed: str
    error_ratio: str
    requirement: str


def requirement_rows(report: CellReport) -> tuple[RequirementRow, ...]:
    """Return the rows of a cell. Numbers are rounded; the run file has all digits."""
    return tuple(_row(tuple(records)) for _, records in groupby(report.records, key=_row_key))


def output_errors(report: CellReport) -> tuple[OutputError, ...]:
    """Return the compared outputs, with the largest needed atol first."""
    worst: dict[str, tuple[float, Record]] = {}
    for record in report.records:
        for output, needed in record.needed_atol.items():
            if output not in worst or _rank(needed) > _rank(worst[output][0]):
                worst[output] = (needed, record)
    atol = max((record.worst.atol for record in report.records if record.worst), default=0.0)
    ordered = sorted(worst.items(), key=lambda item: _rank(item[1][0]), reverse=True)
    return tuple(
        OutputError(
            output=output,
            needed=number(needed),
            error_ratio=number(needed / atol) if atol else "",
            requirement=record.requirement,
        )
        for output, (needed, record) in ordered
    )


def covered_sizes(records: Iterable[Record]) -> dict[str, str]:
    """Return axis -> how far it went, of how much, and all its sizes in the records, as text."""
    sizes: dict[str, set[int]] = {}
    bounds: dict[str, int] = {}
    for record in records:
        bounds.update(record.bounds)
        for axis, found in record.covered.items():
            sizes.setdefault(axis, set()).update(found)
    return {
        axis: _covered(found, bounds.get(axis)) for axis, found in sorted(sizes.items()) if found
    }


def _covered(sizes: Iterable[int], bound: int | None) -> str:
    listed = sorted(sizes)
    return f"up to {show_reached(listed[-1], bound)}: {', '.join(map(str, listed))}"


def number(value: float) -> str:
    """Return a number as text with three significant digits, enough for differences and ratios."""
    return f"{value:.3g}"


def _row_key(record: Record) -> tuple[object, ...]:
    """Consecutive records with equal keys share a row; a record with a verdict has its own."""
    is_unjudged = record.outcome in _UNJUDGED and not (record.failing or record.traceback)
    return (record.outcome, record.message) if is_unjudged else (record.requirement,)


def _row(records: Sequence[Record]) -> RequirementRow:
    record = records[0]
    worst = record.worst
    return RequirementRow(
        requirements=tuple(one.requirement for one in records),
        sign=SIGNS[record.outcome],
        seconds=f"{record.seconds:.2f}" if record.outcome not in _UNJUDGED else "",
        examples=_examples(record),
        error_ratio=number(worst.error_ratio) if worst else "",
        worst=f"{worst.output} at {_axes(worst.axes)} (seed {worst.seed})" if worst else "",
        message=record.message,
        facts=tuple(_facts(record)),
        replay=record.replay,
        repro=command_of(record),
        traceback=record.traceback,
    )


def _examples(record: Record) -> str:
    """Return how many examples were run, as text.

    A verdict without examples was given on the files alone: a requirement that needs examples and
    has none is inconclusive.
    """
    if record.examples:
        return str(record.examples)
    if record.outcome in _LOST:
        return "not known"
    is_unseen = record.outcome in _UNJUDGED | {Outcome.INCONCLUSIVE}
    return "none" if is_unseen else "files only"


def _facts(record: Record) -> Iterator[Fact]:
    if record.part and record.outcome is not Outcome.PASSED:
        yield Fact(name="part", value=record.part)
    if record.failing:
        value = f"{_axes(record.failing.axes)} (seed {record.failing.seed})"
        yield Fact(name="minimal example", value=value)
    if record.worst and record.outcome is not Outcome.PASSED:
        worst = record.worst
        value = f"max_abs_diff {number(worst.max_abs_diff)}, atol {number(worst.atol)}"
        yield Fact(name="worst difference", value=value)
    for one in record.unreached:
        value = f"{one.landmark}: {one.reached:,} of {one.bound:,}, which needs {one.needs}"
        yield Fact(name="not reached", value=value)
    if record.blame:
        yield Fact(name="blame", value=record.blame)
    if record.reused:
        yield Fact(name="reused", value=f"judged by run {record.reused}")
    yield from _expectation(record.expectation or {})


def _expectation(expectation: Mapping[str, Any]) -> Iterator[Fact]:
    known = ("reason", "issue", "layer")
    for name in (*known, *sorted(set(expectation) - set(known))):
        if (value := expectation.get(name)) is not None:
            yield Fact(name=f"expectation: {name}", value=str(value), href=_link(str(value)))


def _link(text: str) -> str | None:
    """Return `text` if it is an http(s) address, else None: a run file may hold any scheme."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    is_web = parts.scheme in {"http", "https"} and bool(parts.netloc)
    return text if is_web and not any(c.isspace() for c in text) else None


def _rank(value: float) -> float:
    """Return a sort key; NaN sorts as infinite, since it passes with no tolerance."""
    return math.inf if math.isnan(value) else value


def _axes(axes: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={size}" for name, size in axes.items()) or "no axes"
