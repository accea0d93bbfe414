"""What a requirement is: a named thing that a cell must satisfy, as a pure function of evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import ValidationError

if TYPE_CHECKING:
    from harness.evidence.evidence import Evidence
    from harness.evidence.sides import Example, PartEvidence, TogetherEvidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong. `message` reads *subject: got, expected*.

    A fatal finding makes the rest of the ladder meaningless. `error` is what
    `validate_model_outputs` raises for it; `blame` names the layer where it is known.
    """

    message: str
    part: str | None = None
    is_fatal: bool = False
    blame: str = "exporter"
    error: type[ValidationError] = ValidationError


@dataclass(frozen=True, slots=True)
class Measure:
    """How far one output was off in one example, and how large the reference is there."""

    output: str
    max_abs_diff: float
    atol: float
    magnitude: float

    @property
    def error_ratio(self) -> float:
        if self.atol > 0:
            return self.max_abs_diff / self.atol
        return 0.0 if self.max_abs_diff == 0 else float("inf")


@dataclass(frozen=True, slots=True)
class Examined:
    """What a requirement says of one example; one that could not be looked at is not observed."""

    findings: tuple[Finding, ...] = ()
    measures: tuple[Measure, ...] = ()
    is_observed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One rung of the ladder, at the place that `rank` gives it.

    `examine` looks at the files alone, `examine_example` at one drawn input; a requirement has
    either or both. Examples are examined part by part; `examine_together` looks at all the parts of
    a cell, run as one. `proves` and `fails_when` are shown beside its verdict.
    """

    id: str
    rank: int
    proves: str
    fails_when: str
    examine: Callable[[Evidence], Iterable[Finding]] | None = None
    examine_example: Callable[[PartEvidence, Example, float], Examined] | None = None
    examine_together: Callable[[TogetherEvidence, Example, float], Examined] | None = None
