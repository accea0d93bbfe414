"""The ladder of one cell in words: a row for each requirement, and the facts that stand below."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from harness.records import CellReport, Outcome, Record
from reports.repro import command_of
from reports.signs import SIGNS, Sign

_UNJUDGED = {Outcome.NOT_RUN, Outcome.SKIPPED, Outcome.NOT_APPLICABLE}
_LOST = {Outcome.CRASHED, Outcome.TIMED_OUT, Outcome.ERRORED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One name with its value; `href` is set only where the value is safe to link to."""

    name: str
    value: str
    href: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A row of the ladder: one requirement, or several in a row that say word for word the same."""

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
    """How far one output is from eager PyTorch: the most that any requirement saw."""

    output: str
    needed: str
    error_ratio: str
    requirement: str


def ladder_of(report: CellReport) -> tuple[Rung, ...]:
    """The rows of a cell; numbers are rounded for reading, the run file has them all."""
    return tuple(_rung(tuple(records)) for _, records in groupby(report.records, key=_what_is_said))


def output_errors(report: CellReport) -> tuple[OutputError, ...]:
    """The outputs that were compared with their smallest passing `atol`, the largest first."""
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
    """Axis -> all sizes that some requirement met."""
    sizes: dict[str, set[int]] = {}
    for record in records:
        for axis, found in record.covered.items():
            sizes.setdefault(axis, set()).update(found)
    return {axis: ", ".join(map(str, sorted(found))) for axis, found in sorted(sizes.items())}


def number(value: float) -> str:
    """Three digits: differences and ratios are read for their size."""
    return f"{value:.3g}"


def _what_is_said(record: Record) -> tuple[object, ...]:
    """Rows that agree in this are one row; a verdict of its own is never folded away."""
    is_silent = record.outcome in _UNJUDGED and not (record.failing or record.traceback)
    return (record.outcome, record.message) if is_silent else (record.requirement,)


def _rung(records: Sequence[Record]) -> Rung:
    record = records[0]
    worst = record.worst
    return Rung(
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
    """How many examples were run. A verdict without any was given on the files alone; a requirement
    that asks for examples and has none to look at is inconclusive."""
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
    """`text` where it is a whole http(s) address; a run file may carry any other scheme."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    is_web = parts.scheme in {"http", "https"} and bool(parts.netloc)
    return text if is_web and not any(c.isspace() for c in text) else None


def _rank(value: float) -> float:
    """NaN, which no tolerance lets pass, is as large as can be."""
    return math.inf if math.isnan(value) else value


def _axes(axes: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={size}" for name, size in axes.items()) or "no axes"
