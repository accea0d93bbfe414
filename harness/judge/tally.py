"""What one requirement says over all examples of a cell: the first failure and the worst case."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.records import Worst

if TYPE_CHECKING:
    from harness.evidence.evidence import Example, PartEvidence
    from harness.requirements._base import Finding, Measure, Requirement


class Tally:
    """Counts examples, keeps the worst measure beside the first failing example.

    Shrinking drives an error down to just above atol, so the worst is kept on its own.
    """

    def __init__(
        self, requirement: Requirement, parts: Sequence[PartEvidence], atol: float
    ) -> None:
        assert requirement.examine_example is not None
        self._examine = requirement.examine_example
        self._parts = parts
        self._atol = atol
        self._sizes: defaultdict[str, set[int]] = defaultdict(set)
        self._magnitudes: dict[str, float] = {}
        self.observed = 0
        self.first_failing: Example | None = None
        self.worst: Worst | None = None
        self.part: str | None = None

    @property
    def covered(self) -> dict[str, list[int]]:
        """Axis name -> sizes that were observed."""
        return {name: sorted(sizes) for name, sizes in sorted(self._sizes.items())}

    def add(self, example: Example) -> None:
        """Judge one example."""
        is_observed = False
        for part in self._parts:
            examined = self._examine(part, example, self._atol)
            is_observed |= examined.is_observed
            if examined.findings and self.first_failing is None:
                self.first_failing = example
            for measure in examined.measures:
                self._keep(measure, example, part.stem)
        if is_observed:
            self.observed += 1
            for name, size in example.sizes:
                self._sizes[name].add(size)

    def findings(self, example: Example) -> list[Finding]:
        """What is wrong with one example, over all parts."""
        return [
            f for part in self._parts for f in self._examine(part, example, self._atol).findings
        ]

    def why_inconclusive(self) -> str | None:
        """Why nothing could have failed here, or None where something could."""
        if self.observed == 0:
            return "got no example that could be observed, so it could not have failed"
        for output, magnitude in self._magnitudes.items():
            if magnitude <= self._atol:
                return (
                    f"the reference of {output} never exceeds {magnitude:.3g}, atol is "
                    f"{self._atol:.3g}, so an output of zeros would have passed"
                )
        return None

    def _keep(self, measure: Measure, example: Example, part: str) -> None:
        magnitude = max(measure.magnitude, self._magnitudes.get(measure.output, 0.0))
        self._magnitudes[measure.output] = magnitude
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
