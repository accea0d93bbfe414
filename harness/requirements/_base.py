"""What a requirement is: a named thing that a cell must satisfy, as a pure function of evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import ValidationError

if TYPE_CHECKING:
    from harness.configs.base import OnnxConfig
    from harness.evidence.evidence import Evidence
    from harness.evidence.session import CandidateError, Execution
    from harness.evidence.sides import Example, PartEvidence, Sides, TogetherEvidence
    from harness.records import PartInterface


@dataclass(frozen=True, slots=True)
class Blame:
    """Whose fault a finding is: the layer, and the reason to say so in words for a message."""

    layer: str
    reason: str = ""


EXPORTER = Blame("exporter")
"""Of what a file is, and not of what it computes: it was written like that."""

DESCRIPTION = Blame(
    "harness", "the description is to blame: eager PyTorch refuses what it declares"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong. `message` is one line, *subject: got, expected*.

    A fatal finding makes the rest of the ladder meaningless; a note is told and not judged. `error`
    is what `validate_model_outputs` raises for it; `blame` is given where it is known, and None
    leaves it to the `explain` of the requirement.
    """

    message: str
    part: str | None = None
    is_fatal: bool = False
    is_note: bool = False
    blame: Blame | None = None
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
    """What a requirement says of one example, or `why_unobserved` it could not be looked at.

    `doubts` has an entry for each thing that is claimed here, such as an output or an input: why
    this example could not have refuted it, or None where it could. What no example could have
    refuted is inconclusive.
    """

    findings: tuple[Finding, ...] = ()
    measures: tuple[Measure, ...] = ()
    doubts: Mapping[str, str | None] = field(default_factory=dict)
    why_unobserved: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """What is to be explained of one failing example: its first finding that nobody is blamed for,
    and the examination, to be repeated."""

    finding: Finding
    sides: Sides
    example: Example
    atol: float
    examine: Callable[[Any, Example, float], Examined]

    def again(self, execution: Execution, *, example: Example | None = None) -> Examined:
        """Examine it, or another example, with the files run in another way."""
        return self.examine(self.sides.under(execution), example or self.example, self.atol)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One rung of the ladder, at the place that `rank` gives it.

    `examine` looks at the files alone, `examine_example` at one drawn input; a requirement has
    either or both. Examples are examined part by part; `examine_together` looks at all the parts of
    a cell, run as one. Costly requirements take a `sample` of so many examples, spread over all.
    `why_not_applicable` gives the reason where a description lacks the capability that is asked
    about. What `exports_again` costs as much as another cell: profiles plan it or not, and it is
    asked of our own exports alone. `explain` finds out who is to blame for what a record shows; the
    exporter is where there is none. `rounding` is how far eager PyTorch rounded otherwise is from
    itself where numbers were found too far apart: an example at which it is by more than atol may
    decide nothing. `proves` and `fails_when` are shown beside its verdict, and so is the
    `interface` of each part where it looks at that.
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
    explain: Callable[[Failure], Blame] = lambda failure: EXPORTER
    rounding: Callable[[Failure], float] | None = None
    interface: Callable[[Evidence], Mapping[str, PartInterface]] = lambda evidence: {}


def refused(error: CandidateError) -> str:
    """Why an example could not be looked at; `agreement` fails for it."""
    return f"ONNX Runtime refuses: {error}"
