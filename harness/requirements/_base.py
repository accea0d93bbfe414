"""What a requirement is: a named thing that a cell must satisfy, as a pure function of evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.errors import ValidationError

if TYPE_CHECKING:
    from harness.configs.base import OnnxConfig
    from harness.evidence.evidence import Evidence
    from harness.evidence.sides import Example, PartEvidence, TogetherEvidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong. `message` is one line, *subject: got, expected*.

    A fatal finding makes the rest of the ladder meaningless; a note is told and not judged. `error`
    is what `validate_model_outputs` raises for it; `blame` names the layer where it is known.
    """

    message: str
    part: str | None = None
    is_fatal: bool = False
    is_note: bool = False
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
    """What a requirement says of one example; one that could not be looked at is not observed.

    `doubts` has an entry for each thing that is claimed here, such as an output or an input: why
    this example could not have refuted it, or None where it could. What no example could have
    refuted is inconclusive.
    """

    findings: tuple[Finding, ...] = ()
    measures: tuple[Measure, ...] = ()
    doubts: Mapping[str, str | None] = field(default_factory=dict)
    is_observed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One rung of the ladder, at the place that `rank` gives it.

    `examine` looks at the files alone, `examine_example` at one drawn input; a requirement has
    either or both. Examples are examined part by part; `examine_together` looks at all the parts of
    a cell, run as one. Costly requirements take a `sample` of so many examples, spread over all.
    `why_not_applicable` gives the reason where a description lacks the capability that is asked
    about. What `exports_again` costs as much as another cell: profiles plan it or not, and it is
    asked of our own exports alone. `proves` and `fails_when` are shown beside its verdict.
    """

    id: str
    rank: int
    proves: str
    fails_when: str
    why_not_applicable: Callable[[OnnxConfig], str | None] = lambda config: None
    sample: int | None = None
    exports_again: bool = False
    examine: Callable[[Evidence], Iterable[Finding]] | None = None
    examine_example: Callable[[PartEvidence, Example, float], Examined] | None = None
    examine_together: Callable[[TogetherEvidence, Example, float], Examined] | None = None
