"""One record in words: the row of a requirement, and the facts that stand below it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from harness.records import Outcome, Record, Worst
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
    """One requirement of a cell: its row in the ladder and everything below that row."""

    requirement: str
    sign: Sign
    seconds: str
    examples: str
    error_ratio: str
    message: str
    facts: tuple[Fact, ...]
    replay: str | None
    traceback: str | None

    @property
    def has_details(self) -> bool:
        return bool(self.message or self.facts or self.replay or self.traceback)


def rung_of(record: Record) -> Rung:
    """Return the row of `record`; numbers are rounded for reading, the run file has them all."""
    return Rung(
        requirement=record.requirement,
        sign=SIGNS[record.outcome],
        seconds=f"{record.seconds:.2f}" if record.outcome not in _UNJUDGED else "",
        examples=_examples(record),
        error_ratio=_number(record.worst.error_ratio) if record.worst else "",
        message=record.message,
        facts=tuple(_facts(record)),
        replay=record.replay,
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
    return "none" if is_unseen else "the files, no examples"


def _facts(record: Record) -> Iterable[Fact]:
    if record.part:
        yield Fact(name="part", value=record.part)
    if record.failing:
        value = f"{_axes(record.failing.axes)} (seed {record.failing.seed})"
        yield Fact(name="minimal failing example", value=value)
    if record.worst:
        yield Fact(name="worst output", value=_worst(record.worst))
    if record.needed_atol:
        yield Fact(name="smallest passing atol", value=_needed(record.needed_atol))
    if record.covered:
        yield Fact(name="covered axis sizes", value=_covered(record.covered))
    if record.blame:
        yield Fact(name="blame", value=record.blame)
    yield from _expectation(record.expectation or {})


def _expectation(expectation: Mapping[str, Any]) -> Iterable[Fact]:
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


def _worst(worst: Worst) -> str:
    return (
        f"{worst.output}: max_abs_diff {_number(worst.max_abs_diff)}, "
        f"atol {_number(worst.atol)}, error ratio {_number(worst.error_ratio)}, "
        f"at {_axes(worst.axes)} (seed {worst.seed})"
    )


def _needed(needed: Mapping[str, float]) -> str:
    """One line for each part, the largest first."""
    by_part: dict[str, list[str]] = {}
    for name in sorted(needed, key=lambda name: _rank(needed[name]), reverse=True):
        part, separator, output = name.rpartition(": ")
        by_part.setdefault(part + separator, []).append(f"{output} {_number(needed[name])}")
    return "\n".join(f"{part}{', '.join(outputs)}" for part, outputs in by_part.items())


def _rank(value: float) -> float:
    """NaN, which no tolerance lets pass, is as large as can be."""
    return math.inf if math.isnan(value) else value


def _axes(axes: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={size}" for name, size in axes.items()) or "no axes"


def _covered(covered: Mapping[str, list[int]]) -> str:
    return "; ".join(f"{name} {', '.join(map(str, sizes))}" for name, sizes in covered.items())


def _number(value: float) -> str:
    return f"{value:.3g}"
