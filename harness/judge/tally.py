"""What one requirement says over all examples of a cell: the first failure and the worst case."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from harness.records import Worst

if TYPE_CHECKING:
    from harness.evidence.evidence import Evidence
    from harness.evidence.sides import Example, Sides
    from harness.requirements._base import Examined, Finding, Measure, Requirement


S = TypeVar("S", bound="Sides")


class Tally:
    """Counts examples, keeps the worst measure beside the first failing example.

    Shrinking drives an error down to just above atol, so the worst is kept on its own.
    """

    def __init__(self, requirement: Requirement, evidence: Evidence, atol: float) -> None:
        self._views = dict(_views(requirement, evidence, atol))
        self._unseen = set(self._views)
        self._covered: defaultdict[str, set[int]] = defaultdict(set)
        self._doubts: dict[tuple[str, str], str | None] = {}
        self.observed = 0
        self.first_failing: Example | None = None
        self.worst: Worst | None = None
        self.part: str | None = None
        self.needed_atol: dict[str, float] = {}

    @property
    def covered(self) -> dict[str, list[int]]:
        """Axis name -> sizes that were observed."""
        return {name: sorted(sizes) for name, sizes in sorted(self._covered.items())}

    def add(self, example: Example) -> None:
        """Judge one example."""
        is_observed = False
        for part, examine in self._views.items():
            examined = examine(example)
            is_observed |= examined.is_observed
            if examined.is_observed:
                self._unseen.discard(part)
            if examined.findings and self.first_failing is None:
                self.first_failing = example
            for measure in examined.measures:
                self._keep(measure, example, part)
            for claim, doubt in examined.doubts.items():
                if self._doubts.setdefault((part, claim), doubt) is not None:
                    self._doubts[part, claim] = doubt
        if is_observed:
            self.observed += 1
            for name, size in example.sizes:
                self._covered[name].add(size)

    def findings(self, example: Example) -> list[Finding]:
        """What is wrong with one example, over all parts."""
        return [
            finding for examine in self._views.values() for finding in examine(example).findings
        ]

    def why_inconclusive(self) -> str | None:
        """Why nothing could have failed here, or None where something could."""
        if self._unseen:
            return f"got no example of {min(self._unseen)} to observe, so it could not have failed"
        return next((doubt for doubt in self._doubts.values() if doubt is not None), None)

    def _keep(self, measure: Measure, example: Example, part: str) -> None:
        name = f"{part}: {measure.output}" if len(self._views) > 1 else measure.output
        self.needed_atol[name] = max(measure.max_abs_diff, self.needed_atol.get(name, 0.0))
        ratio = measure.error_ratio
        if self.worst is None or ratio > self.worst.error_ratio or math.isnan(ratio):
            self.part = part
            self.worst = Worst(
                output=measure.output,
                max_abs_diff=measure.max_abs_diff,
                atol=measure.atol,
                error_ratio=ratio,
                axes=example.axes,
                seed=example.seed,
            )


def _views(
    requirement: Requirement, evidence: Evidence, atol: float
) -> Iterator[tuple[str, Callable[[Example], Examined]]]:
    """What is examined of each example, by the name of the part: each part that the requirement
    applies to, then all together."""

    def applies_to(sides: Sides) -> bool:
        return requirement.why_not_applicable(sides.config) is None

    if requirement.examine_example is not None:
        for part in filter(applies_to, evidence.parts):
            yield part.stem, _of(part, requirement.examine_example, atol)
    together = evidence.together
    if requirement.examine_together is not None and together is not None and applies_to(together):
        yield together.stem, _of(together, requirement.examine_together, atol)


def _of(
    sides: S, examine: Callable[[S, Example, float], Examined], atol: float
) -> Callable[[Example], Examined]:
    return lambda example: examine(sides, example, atol)
