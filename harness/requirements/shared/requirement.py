"""Requirements, and the findings and measurements that they return."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import ValidationError

if TYPE_CHECKING:
    from harness.configs.axes import AxisSizes
    from harness.configs.base import OnnxConfig
    from harness.evidence.evidence import Evidence
    from harness.evidence.example import Example
    from harness.evidence.execution import Execution
    from harness.evidence.reference import EagerError
    from harness.evidence.session import CandidateError
    from harness.evidence.sides import PartEvidence, Sides, TogetherEvidence
    from harness.evidence.tolerance import Tolerance
    from harness.records import PartInterface


@dataclass(frozen=True, slots=True)
class Blame:
    """The layer that is at fault for a finding, and the reason as a sentence for the message."""

    layer: str
    reason: str = ""


EXPORTER = Blame("exporter")
"""Blame for a defect that is visible in the file itself: the exporter wrote it."""

_NO_PADDING_TOKEN = re.compile("padding token|pad_token")
"""The error of a model that looks for padding in a batch, and whose configuration names none."""


def blame_refusal(error: EagerError) -> Blame:
    """Return the blame for declared inputs that eager PyTorch refuses.

    If the error is known to follow from the model's configuration, the reason ends with the setting
    that is missing there. Any other refusal is the description's.
    """
    if _NO_PADDING_TOKEN.search(str(error)):
        return Blame(
            "model",
            "the model is at fault: eager PyTorch needs a padding token for batches; set "
            "pad_token_id in the model's configuration",
        )
    return Blame(
        "harness", "the description is at fault: eager PyTorch refuses inputs that it declares"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One defect. `message` is one line, *subject: got, expected*.

    A fatal finding makes the later requirements meaningless, so they are skipped. A note
    (`is_note`) is shown and does not make the requirement fail. `error` is the exception class that
    `validate_model_outputs` raises for the finding. If `blame` is None, the requirement's `explain`
    finds it.
    """

    message: str
    part: str | None = None
    is_fatal: bool = False
    is_note: bool = False
    blame: Blame | None = None
    error: type[ValidationError] = ValidationError


@dataclass(frozen=True, slots=True)
class Measure:
    """The difference of one output in one example, and the largest finite value (`magnitude`) of
    its reference."""

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
    """The result of examining one example. `why_unobserved` is the reason if it could not run.

    `doubts` has one entry for each claim, such as an output or an input: the reason why this
    example could not have refuted the claim, or None if it could. A requirement is inconclusive if
    no example could have refuted one of its claims. `notes` are shown with the number of examples
    that have them.
    """

    findings: tuple[Finding, ...] = ()
    measures: tuple[Measure, ...] = ()
    doubts: Mapping[str, str | None] = field(default_factory=dict)
    why_unobserved: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """One failing example, with its first finding that has no blame yet.

    `explain` repeats the examination with the files run in other ways to find the cause.
    """

    finding: Finding
    sides: Sides
    example: Example
    tolerance: Tolerance
    examine: Callable[[Any, Example, Tolerance], Examined]

    def examine_under(self, execution: Execution, *, example: Example | None = None) -> Examined:
        """Examine the failing example, or `example`, with the files run by `execution`."""
        return self.examine(self.sides.under(execution), example or self.example, self.tolerance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One requirement of the ladder.

    - `rank`: requirements run in ascending order of rank.
    - `proves`, `fails_when`: texts that the page shows with the verdict.
    - `why_not_applicable`: returns the reason if a description lacks the capability that the
      requirement needs, else None.
    - `sizes`: returns the largest axis sizes at which the requirement runs an example; it leaves
      out examples that are too costly at these sizes.
    - `visits_bounds`: the requirement must reach every bound of the model's domain; its record says
      which ones it did not reach.
    - `weight`: the share of a budget of time that the requirement gets, in relation to others.
    - `sample`: the largest number of examples to run, taken at equal distances from the drawn
      ones. None means all.
    - `ignores_tolerance`: the requirement compares no values, or only bits, so no tolerance needs
      to be measured for it.
    - `exports_again`: the requirement exports the model a second time, which costs as much as
      another cell. Profiles decide whether to plan it, and it applies to our own exports only.
    - `examine`: examines the files without running drawn examples.
    - `examine_example`: examines one part on one drawn example.
    - `examine_together`: examines all parts of a cell, run one after the other, on one example.
    - `explain`: returns the layer at fault for a failing example. The default is the exporter.
    - `measure_rounding`: returns eager PyTorch's own rounding error on a failing example, as a
      multiple of atol. If it exceeds 1, the verdict may ignore the example.
    - `interface`: returns the declared and actual interface of each part, for the record.
    """

    id: str
    rank: int
    proves: str
    fails_when: str
    why_not_applicable: Callable[[OnnxConfig], str | None] = lambda config: None
    sizes: Callable[[OnnxConfig, Example], AxisSizes] = lambda config, example: example.axes
    visits_bounds: bool = False
    weight: int = 1
    sample: int | None = None
    ignores_tolerance: bool = False
    exports_again: bool = False
    examine: Callable[[Evidence], Iterable[Finding]] | None = None
    examine_example: Callable[[PartEvidence, Example, Tolerance], Examined] | None = None
    examine_together: Callable[[TogetherEvidence, Example, Tolerance], Examined] | None = None
    explain: Callable[[Failure], Blame] = lambda failure: EXPORTER
    measure_rounding: Callable[[Failure], float] | None = None
    interface: Callable[[Evidence], Mapping[str, PartInterface]] = lambda evidence: {}


def refusal_reason(error: CandidateError) -> str:
    """Return why an example could not be examined. `agreement` reports the same refusal as a
    failure."""
    return f"ONNX Runtime refuses: {error}"
