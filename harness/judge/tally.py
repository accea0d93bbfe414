"""What one requirement says over all examples of a cell: the first failure and the worst case."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.errors import AtolError
from harness.records import Worst
from harness.requirements._base import Failure
from harness.requirements._blame import is_within_rounding

if TYPE_CHECKING:
    from harness.evidence.evidence import Evidence
    from harness.evidence.sides import Example, Sides
    from harness.requirements._base import Examined, Finding, Measure, Requirement

    Rounding = Callable[[Failure], float]


FEW = 20
"""One example in so many may fail and decide nothing; of more it is no example's fault. One that
stands alone is judged as it is, so that what is replayed fails again."""


@dataclass(frozen=True, slots=True)
class _View:
    """A part, or all of them together, and how a requirement examines it."""

    sides: Sides
    examine: Callable[[Any, Example, float], Examined]
    atol: float

    def examined(self, example: Example) -> Examined:
        return self.examine(self.sides, example, self.atol)

    def failure(self, finding: Finding, example: Example) -> Failure:
        """One to be explained."""
        return Failure(finding, self.sides, example, self.atol, self.examine)

    def is_undecided(self, examined: Examined, example: Example, rounding: Rounding) -> bool:
        """Whether eager PyTorch itself is as unsure of what was found."""
        if any(finding.error is not AtolError for finding in examined.findings):
            return False
        failure = self.failure(examined.findings[0], example)
        return is_within_rounding(examined, failure, rounding)


class Tally:
    """Counts examples, keeps the worst measure beside the first failing example.

    Shrinking drives an error down to just above atol, so the worst is kept on its own.

    An example decides nothing where eager PyTorch rounded otherwise is more than atol from itself,
    and the file is no further off than that takes it: two experts of a router that are as good as
    each other, a norm of next to nothing. It neither passes nor fails, and has to be rare.
    """

    def __init__(self, requirement: Requirement, evidence: Evidence, atol: float) -> None:
        self._requirement = requirement
        self._views = {view.sides.stem: view for view in _views(requirement, evidence, atol)}
        self._unseen = set(self._views)
        self._reasons: dict[str, str] = {}
        self._covered: defaultdict[str, set[int]] = defaultdict(set)
        self._doubts: dict[tuple[str, str], str | None] = {}
        self._failing: list[tuple[Example, Mapping[str, Examined]]] = []
        self._is_forgiving = False
        self.undecided: list[Example] = []
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
        seen = self._examined(example)
        if any(examined.findings for examined in seen.values()):
            self._failing.append((example, seen))
        else:
            self._count(example, seen)

    def settle(self) -> None:
        """After the last example: find out which of those with findings decide nothing."""
        total = self.observed + len(self._failing)
        self._is_forgiving = total > 1 and len(self._failing) <= max(1, total // FEW)
        for example, seen in self._failing:
            if self._decides_nothing(example, seen):
                self.undecided.append(example)
            else:
                self._count(example, seen)

    def decides_nothing(self, example: Example) -> bool:
        """Whether an example has findings, and would be left out for them."""
        return self._decides_nothing(example, self._examined(example))

    def _examined(self, example: Example) -> dict[str, Examined]:
        return {part: view.examined(example) for part, view in self._views.items()}

    def _decides_nothing(self, example: Example, seen: Mapping[str, Examined]) -> bool:
        rounding = self._requirement.rounding
        found = {part: examined for part, examined in seen.items() if examined.findings}
        if not self._is_forgiving or rounding is None or not found:
            return False
        return all(
            self._views[part].is_undecided(examined, example, rounding)
            for part, examined in found.items()
        )

    def _count(self, example: Example, seen: Mapping[str, Examined]) -> None:
        is_observed = False
        for part, examined in seen.items():
            if examined.why_unobserved is None:
                is_observed = True
                self._unseen.discard(part)
            else:
                self._reasons.setdefault(part, examined.why_unobserved)
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
        return [f for examined in self._examined(example).values() for f in examined.findings]

    def explained(self, example: Example) -> list[Finding]:
        """The same with who is to blame. Asking that may take many runs."""
        return [f for view in self._views.values() for f in self._explained(view, example)]

    def _explained(self, view: _View, example: Example) -> list[Finding]:
        """The findings of one part: what explains the first that nobody is blamed for explains all
        such."""
        findings = view.examined(example).findings
        unknown = next((finding for finding in findings if finding.blame is None), None)
        if unknown is None:
            return list(findings)
        blame = self._requirement.explain(view.failure(unknown, example))
        return [replace(finding, blame=finding.blame or blame) for finding in findings]

    def why_inconclusive(self) -> str | None:
        """Why nothing could have failed here, or None where something could."""
        if self._unseen:
            part = min(self._unseen)
            reason = f"; at the first, {self._reasons[part]}" if part in self._reasons else ""
            return f"got no example of {part} to observe, so it could not have failed{reason}"
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


def _views(requirement: Requirement, evidence: Evidence, atol: float) -> Iterator[_View]:
    """What is examined of each example: each part that the requirement applies to, then all
    together."""

    def applies_to(sides: Sides) -> bool:
        return requirement.why_not_applicable(sides.config) is None

    if requirement.examine_example is not None:
        for part in filter(applies_to, evidence.parts):
            yield _View(part, requirement.examine_example, atol)
    together = evidence.together
    if requirement.examine_together is not None and together is not None and applies_to(together):
        yield _View(together, requirement.examine_together, atol)
