"""Targets of a requirement on each example: every part of a cell, and all parts together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import AtolError
from harness.evidence.example import Example
from harness.evidence.tolerance import Origin, Tolerance
from harness.judge.own_rounding import widened
from harness.requirements.shared.blame import is_within_rounding
from harness.requirements.shared.requirement import Failure

if TYPE_CHECKING:
    from harness.evidence.evidence import Evidence
    from harness.evidence.sides import Sides
    from harness.evidence.tolerance import ToleranceOf
    from harness.requirements.shared.requirement import Examined, Finding, Requirement

    Rounding = Callable[[Failure], float]


@dataclass(frozen=True, slots=True)
class Target:
    """One part, or all parts run together, and how the requirement examines it."""

    sides: Sides
    examine: Callable[[Any, Example, Tolerance], Examined]
    tolerance: Tolerance

    @property
    def is_measured(self) -> bool:
        """Whether the tolerance was measured, on some of the examples."""
        return self.tolerance.origin is Origin.MEASURED

    def examine_example(self, example: Example) -> Examined:
        return self.examine(self.sides, example, self.tolerance)

    def failure(self, finding: Finding, example: Example) -> Failure:
        """Return the arguments that are needed to find the blame for a finding."""
        return Failure(finding, self.sides, example, self.tolerance, self.examine)

    def with_own_rounding(self, examined: Examined, example: Example) -> Examined:
        """Return the result at the tolerance that this example has by eager's own rounding on it,
        if the tolerance is measured and was too small; else the same result."""
        if not self.is_measured or any(f.error is not AtolError for f in examined.findings):
            return examined
        return self.examine(self.sides, example, widened(self.tolerance, self.sides, example))

    def is_undecided(self, examined: Examined, example: Example, rounding: Rounding) -> bool:
        """Whether eager's own rounding error here is large enough to explain the findings."""
        if any(finding.error is not AtolError for finding in examined.findings):
            return False
        failure = self.failure(examined.findings[0], example)
        return is_within_rounding(examined, failure, rounding)


def _no_tolerance(_: Sides) -> Tolerance:
    return Tolerance.given(0.0)


def targets_of(
    requirement: Requirement, evidence: Evidence, tolerance_of: ToleranceOf
) -> Iterator[Target]:
    """Yield each part that the requirement applies to, then all parts together."""

    def applies_to(sides: Sides) -> bool:
        return requirement.why_not_applicable(sides.config) is None

    if requirement.ignores_tolerance:
        tolerance_of = _no_tolerance
    if requirement.examine_example is not None:
        for part in filter(applies_to, evidence.parts):
            yield Target(part, requirement.examine_example, tolerance_of(part))
    together = evidence.together
    if requirement.examine_together is not None and together is not None and applies_to(together):
        yield Target(together, requirement.examine_together, tolerance_of(together))
