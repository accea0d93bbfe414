"""What experiments find out about axes, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.configs.axes import AxisExpression
from harness.inference.experiments.forms import Form
from harness.inference.experiments.sizes import AdmittedSizes
from harness.inference.experiments.ties import quoted

_FEW_SIZES = 2
"""An axis of so few sizes is a choice between meanings, not a length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InferredAxis:
    """Axes of inputs that have one size, and the sizes that eager accepts."""

    labels: tuple[str, ...]
    first: int
    sizes: AdmittedSizes

    @property
    def name(self) -> str:
        """The name in expressions."""
        return quoted(self.labels[0])

    @property
    def is_free(self) -> bool:
        """Whether the axis is a length: more than a choice of few sizes, or one size rounded."""
        sizes = self.sizes
        is_rounded = sizes.largest is not None and sizes.largest < 2 * sizes.least
        return sizes.regular and len(sizes.up_to_reach) > _FEW_SIZES and not is_rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputAxis:
    """How the size of an axis of an output follows from the sizes of the inputs.

    `forms` are the functions that predict every observation. The fit is *ambiguous* if there are
    several, which differ at sizes that were not observed, and *unknown* if no form fits. If
    `depends_on_data`, the values decide the size.
    """

    first: int
    forms: tuple[Form, ...] = ()
    depends_on_data: bool = False

    @property
    def expression(self) -> AxisExpression | None:
        """The only function, or None if it is ambiguous or unknown."""
        return self.forms[0].expression if len(self.forms) == 1 else None

    @property
    def is_constant(self) -> bool:
        return not self.depends_on_data and [form.scale for form in self.forms] == [0]

    @property
    def is_ambiguous(self) -> bool:
        return len(self.forms) > 1

    def __str__(self) -> str:
        if self.depends_on_data:
            return "decided by the values"
        return " or ".join(form.text for form in self.forms) or "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """Whether an axis ends at a number of the configuration.

    `path` names the setting. Eager accepts sizes up to it, and refuses the next one only if
    `is_confirmed`.
    """

    axis: str
    path: str
    value: int
    is_confirmed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InferredAxes:
    """What an experiment found. `is_complete` is False if its budget ended before.

    `followers` are labels of inputs with their size as an expression over the axes.
    """

    axes: tuple[InferredAxis, ...]
    followers: Mapping[str, AxisExpression]
    fixed: tuple[str, ...]
    outputs: Mapping[str, tuple[OutputAxis, ...]]
    ceilings: tuple[Ceiling, ...]
    calls: int
    seconds: float
    is_complete: bool = True

    def axis_of(self, label: str) -> InferredAxis | None:
        """Return the axis that a label belongs to."""
        return next((axis for axis in self.axes if label in axis.labels), None)
