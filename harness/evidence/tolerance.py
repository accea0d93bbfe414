"""The absolute tolerance of each output of one part, and where its numbers come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from harness.evidence.sides import Sides

SMALLEST_ATOL = 1e-45
"""The smallest float32 above 0. A tolerance of 0 counts as this when a difference is divided by
it."""


class Origin(StrEnum):
    """Where the numbers of a tolerance come from; verdicts show these texts."""

    STATED = "stated by the description"
    STORED = "stored with the tiny model"
    GIVEN = "given by --atol"
    MEASURED = "measured: 10 x eager's own rounding"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Absolute tolerances, in units of the outputs.

    `by_output` has the tolerance of each output that has one of its own; `largest` is the tolerance
    of every other one, and at least as large as each of them. `doubts` maps an output to the reason
    why its tolerance is too large to refuse a wrong file. `limits` maps each measured output to the
    largest tolerance that could.
    """

    origin: Origin
    largest: float
    by_output: Mapping[str, float] = field(default_factory=dict, hash=False)
    doubts: Mapping[str, str] = field(default_factory=dict, hash=False)
    limits: Mapping[str, float] = field(default_factory=dict, hash=False)

    @classmethod
    def stated(cls, atol: float) -> Self:
        """Return the tolerance that a description states for all outputs."""
        return cls(Origin.STATED, atol)

    @classmethod
    def stored(cls, atol: float) -> Self:
        """Return the tolerance that the file of a tiny model stores for all outputs."""
        return cls(Origin.STORED, atol)

    @classmethod
    def given(cls, atol: float) -> Self:
        """Return a tolerance for all outputs that a caller chose."""
        return cls(Origin.GIVEN, atol)

    def for_output(self, name: str) -> float:
        """Return the tolerance of one output."""
        return self.by_output.get(name, self.largest)

    def ratio(self, output: str, difference: float) -> float:
        """Return a difference of an output divided by the output's tolerance; above 1 it fails."""
        return difference / max(self.for_output(output), SMALLEST_ATOL)


ToleranceOf = Callable[["Sides"], Tolerance]
"""Returns the tolerance of one part, or of all parts run together; it may have to be measured."""
