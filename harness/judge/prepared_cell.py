"""A cell that is ready to be judged, and which examples each requirement runs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.evidence.example import Example
from harness.judge.budget import Budget, important_first
from harness.judge.observer import Observer, ProgressCounter
from harness.records import CellId
from harness.requirements import ladder

if TYPE_CHECKING:
    from harness.configs.axes import AxisSizes
    from harness.evidence.evidence import Evidence
    from harness.evidence.tolerance import ToleranceOf
    from harness.judge.domain import Domain
    from harness.requirements.shared.requirement import Requirement

Replay = Callable[[str, Example | None], str | None]


@dataclass(frozen=True, kw_only=True)
class PreparedCell:
    """A cell that is ready to be judged: evidence, planned requirements and shared examples.

    `replay` returns the command that reruns a requirement on one example. Failing examples of the
    `expected` requirements, which are known failures, are not shrunk. With `strict_domain`, a
    requirement that did not reach every landmark is inconclusive; else it passes as far as it went.
    A replay runs one given example, so it reaches no landmark and does not say so.
    With `budget_seconds`, examples that do not fit in that time are left out.
    `observer` is called with the progress.
    """

    cell: CellId
    evidence: Evidence
    requirements: Sequence[str]
    examples: Sequence[Example]
    domain: Domain
    tolerance_of: ToleranceOf
    replay: Replay
    expected: Collection[str] = ()
    strict_domain: bool = True
    is_replay: bool = False
    budget_seconds: float | None = None
    observer: Observer = field(default_factory=Observer)

    @functools.cached_property
    def counter(self) -> ProgressCounter:
        """Counts requirements and examples, and tells the observer how far the cell is."""
        return ProgressCounter(self._example_counts, self.observer)

    @functools.cached_property
    def budget(self) -> Budget | None:
        """The time for examples; None if it is not limited. It runs from the first request on."""
        seconds = self.budget_seconds
        if seconds is None:
            return None
        weights = {requirement.id: requirement.weight for requirement in ladder()}
        return Budget(seconds, self._example_counts, weights=weights)

    @functools.cached_property
    def _example_counts(self) -> dict[str, int]:
        planned = (r for r in ladder() if r.id in self.requirements)
        return {r.id: len(self._chosen(r)) for r in planned}

    def why_not_applicable(self, requirement: Requirement) -> str | None:
        """Return why a requirement applies to no part of the cell; None if it applies."""
        evidence = self.evidence
        if requirement.exports_again and not evidence.files.is_own_export:
            return "the files were given, so the harness cannot export them again"
        configs = [evidence.config, *(part.config for part in evidence.parts)]
        reasons = [requirement.why_not_applicable(config) for config in configs]
        return None if None in reasons else reasons[0]

    def examples_of(self, requirement: Requirement) -> Iterable[Example]:
        """Return the examples that a requirement runs, as far as they fit in the budget."""
        chosen = self._chosen(requirement)
        if self.budget is None:
            return chosen
        return self.budget.within(
            requirement.id,
            important_first(chosen, self.domain.config.axis_space),
            lambda e: self.domain.cost(self._sizes(requirement, e)).work,
        )

    def _chosen(self, requirement: Requirement) -> Sequence[Example]:
        """Return the examples that a requirement can afford, or a sample of them.

        A sample is taken at equal distances, so that not only corners are taken.
        """
        runs_examples = requirement.examine_example or requirement.examine_together
        if not runs_examples or self.why_not_applicable(requirement) is not None:
            return ()
        allows, count = self.domain.allows, requirement.sample
        examples = [e for e in self.examples if allows(self._sizes(requirement, e))]
        if count is None or len(examples) <= count:
            return examples
        return [examples[index * len(examples) // count] for index in range(count)]

    def _sizes(self, requirement: Requirement, example: Example) -> AxisSizes:
        return requirement.sizes(self.evidence.config, example)
