"""Results of one requirement over all examples of a cell: first failure and largest difference."""

from __future__ import annotations

import gc
import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.evidence.example import Example
from harness.evidence.memory import out_of_memory, value_unless_out_of_memory
from harness.judge.out_of_reach import OutOfReach
from harness.judge.targets import targets_of
from harness.judge.undecided import may_decide_nothing, may_leave_out
from harness.records import Unreached, Worst
from harness.requirements.shared.requirement import EXPORTER, Blame

if TYPE_CHECKING:
    from harness.evidence.evidence import Evidence
    from harness.evidence.memory import OutOfMemoryError
    from harness.evidence.tolerance import ToleranceOf
    from harness.judge.targets import Target
    from harness.requirements.shared.requirement import Examined, Finding, Measure, Requirement

ATTEMPTS_IN_MEMORY = 3
"""An example and up to two smaller ones, of which the first that memory suffices for is judged."""

NO_MEMORY_TO_BLAME = Blame(
    EXPORTER.layer,
    "the exporter is probably at fault: memory ran out before another cause was found or excluded",
)


class ExampleResults:
    """Results of one requirement: counts, the first failing example and the largest difference.

    The largest difference is kept separately, because shrinking reduces the error of the failing
    example to just above atol.

    An example is undecided if eager PyTorch's rounding error on it exceeds atol and explains the
    file's difference (`is_within_rounding`). This happens if two experts of a router score alike,
    or a norm is almost zero. Such an example neither passes nor fails. If they are not rare, they
    count as failures; `may_decide_nothing` has the exceptions.
    """

    def __init__(
        self, requirement: Requirement, evidence: Evidence, tolerance_of: ToleranceOf
    ) -> None:
        self._requirement = requirement
        self._targets = {
            target.sides.stem: target for target in targets_of(requirement, evidence, tolerance_of)
        }
        self._unobserved = set(self._targets)
        self._reasons: dict[str, str] = {}
        self._space = evidence.config.axis_space
        self._covered: defaultdict[str, set[int]] = defaultdict(set)
        self._doubts: dict[tuple[str, str], str | None] = {}
        self._failing: list[tuple[Example, Mapping[str, Examined]]] = []
        self._may_leave_out = False
        self._passing: tuple[Example, ...] = ()
        self._out_of_reach = OutOfReach(self._space)
        self.undecided: list[Example] = []
        self.examples: list[Example] = []
        self.first_failing: Example | None = None
        self.worst: Worst | None = None
        self.part: str | None = None
        self.needed_atol: dict[str, float] = {}
        self.tolerance: dict[str, float] = {}
        self.tolerance_origin: str | None = None
        self.notes: Counter[str] = Counter()

    @property
    def observed(self) -> int:
        """The number of observed examples."""
        return len(self.examples)

    @property
    def covered(self) -> dict[str, list[int]]:
        """Axis name, or expression with a bound -> sizes that were observed."""
        return {name: sorted(sizes) for name, sizes in sorted(self._covered.items())}

    @property
    def bounds(self) -> dict[str, int]:
        """Axis name or expression -> the largest size that the model states for it.

        A landmark beyond the end of the model's domain counts up to that end.
        """
        found: dict[str, int] = {}
        for expression, size in self._space.bounds:
            admitted = expression.evaluate(self._space.row_at(expression, size))
            found[expression.text] = max(admitted, found.get(expression.text, 0))
        return found

    @property
    def unreached(self) -> tuple[Unreached, ...]:
        """The landmarks for which memory ran out."""
        return self._out_of_reach.unreached(self.covered, self.bounds)

    def add(self, example: Example) -> None:
        """Examine one example; count it now if it has no findings, else in `finish`.

        An example for which memory runs out is out of reach, and neither passes nor fails. A
        smaller one takes its place, unless it ran before.
        """
        smaller = example
        for _ in range(ATTEMPTS_IN_MEMORY):
            reason = self._examine_in_memory(smaller)
            if reason is None:
                return
            gc.collect()  # frees what the failed attempt left behind
            if smaller is example:
                self._out_of_reach.add(example, reason)
            smaller = self._smaller(smaller)
            if smaller in self.examples or smaller.axes == example.axes:
                return

    def _smaller(self, example: Example) -> Example:
        sizes = self._space.reduce(example.axes, lambda axes: axes != example.axes)
        return Example.of(sizes, example.seed)

    def _examine_in_memory(self, example: Example) -> OutOfMemoryError | None:
        """Examine and count one example; returns the error if memory ran out."""
        try:
            by_part = self._examine(example)
        except Exception as error:
            reason = out_of_memory(error)
            if reason is None:
                raise
            return reason
        if any(examined.findings for examined in by_part.values()):
            self._failing.append((example, by_part))
        else:
            self._count(example, by_part)
        return None

    def finish(self) -> None:
        """Add the failing examples to the results; call once, after the last `add`.

        Examples whose findings are within eager's own rounding error go to `undecided` instead. An
        example on which a measured tolerance is too small is judged by its own rounding.
        """
        self._passing = tuple(self.examples)
        self._failing = self._failing_by_own_rounding()
        count = sum(not self._may_decide_nothing(example) for example, _ in self._failing)
        self._may_leave_out = may_leave_out(count, total=self.observed + len(self._failing))
        for example, by_part in self._failing:
            # Measuring is slow, and one failing example decides.
            if self.first_failing is None and self._is_undecided(example, by_part):
                self.undecided.append(example)
            else:
                self._count(example, by_part)

    def _failing_by_own_rounding(self) -> list[tuple[Example, Mapping[str, Examined]]]:
        """Return the examples that fail with their own rounding too, and count the others.

        Measuring is slow: it ends when more examples fail than may be undecided.
        """
        total, deciding = self.observed + len(self._failing), 0
        remaining: dict[Example, Mapping[str, Examined]] = {}
        for example, by_part in sorted(
            self._failing, key=lambda failing: self._may_decide_nothing(failing[0])
        ):
            is_open = not deciding or may_leave_out(deciding, total=total)
            result = self._with_own_rounding(example, by_part) if is_open else by_part
            if any(examined.findings for examined in result.values()):
                remaining[example] = result
                deciding += not self._may_decide_nothing(example)
            else:
                self._count(example, result)
        return [(e, remaining[e]) for e, _ in self._failing if e in remaining]

    def _with_own_rounding(
        self, example: Example, by_part: Mapping[str, Examined]
    ) -> Mapping[str, Examined]:
        def judge_again() -> Mapping[str, Examined]:
            return {
                part: self._targets[part].with_own_rounding(examined, example)
                if examined.findings
                else examined
                for part, examined in by_part.items()
            }

        return value_unless_out_of_memory(judge_again, otherwise=by_part)

    def is_undecided(self, example: Example) -> bool:
        """Whether an example has findings that eager's own rounding error explains."""
        by_part = self._with_own_rounding(example, self._examine(example))
        is_explained = not any(examined.findings for examined in by_part.values())
        return is_explained or self._is_undecided(example, by_part)

    def _examine(self, example: Example) -> dict[str, Examined]:
        return {part: target.examine_example(example) for part, target in self._targets.items()}

    def _is_undecided(self, example: Example, by_part: Mapping[str, Examined]) -> bool:
        rounding = self._requirement.measure_rounding
        found = {part: examined for part, examined in by_part.items() if examined.findings}
        may_leave_out = self._may_leave_out or self._may_decide_nothing(example)
        if not may_leave_out or rounding is None or not found:
            return False

        def are_undecided() -> bool:
            return all(
                self._targets[part].is_undecided(examined, example, rounding)
                for part, examined in found.items()
            )

        return value_unless_out_of_memory(are_undecided, otherwise=False)

    def _may_decide_nothing(self, example: Example) -> bool:
        is_measured = any(target.is_measured for target in self._targets.values())
        return is_measured and may_decide_nothing(example, self._passing, self._space)

    def _count(self, example: Example, by_part: Mapping[str, Examined]) -> None:
        is_observed = False
        for part, examined in by_part.items():
            if examined.why_unobserved is None:
                is_observed = True
                self._unobserved.discard(part)
            else:
                self._reasons.setdefault(part, examined.why_unobserved)
            if examined.findings and self.first_failing is None:
                self.first_failing = example
            self.notes.update(examined.notes)
            for measure in examined.measures:
                self._keep(measure, example, part)
            for claim, doubt in examined.doubts.items():
                if self._doubts.setdefault((part, claim), doubt) is not None:
                    self._doubts[part, claim] = doubt
        if is_observed:
            self.examples.append(example)
            for name, size in example.sizes:
                self._covered[name].add(size)
            for expression, _ in self._space.bounds:
                self._covered[expression.text].add(expression.evaluate(example.axes))

    def findings(self, example: Example) -> list[Finding]:
        """Examine one example; return the findings of all parts."""
        return [f for examined in self._examine(example).values() for f in examined.findings]

    def findings_with_blame(self, example: Example) -> list[Finding]:
        """Return the findings on an example, each with the layer at fault.

        Slow: finding the layer may run the files many times.
        """
        return [
            f
            for target in self._targets.values()
            for f in self._findings_of_target(target, example)
        ]

    def _findings_of_target(self, target: Target, example: Example) -> list[Finding]:
        """Return the findings of one part; all that lack a blame get the blame of the first."""
        findings = target.examine_example(example).findings
        unknown = next((finding for finding in findings if finding.blame is None), None)
        if unknown is None:
            return list(findings)
        failure = target.failure(unknown, example)
        blame = value_unless_out_of_memory(
            lambda: self._requirement.explain(failure), otherwise=NO_MEMORY_TO_BLAME
        )
        return [replace(finding, blame=finding.blame or blame) for finding in findings]

    def why_inconclusive(self) -> str | None:
        """Return why no example could have failed here; None if one could."""
        if self._unobserved:
            part = min(self._unobserved)
            at_first = f"at the first, {self._reasons[part]}" if part in self._reasons else None
            reason = "".join(f"; {text}" for text in (at_first, self._out_of_reach.reason) if text)
            return f"got no example of {part} to observe, so it could not have failed{reason}"
        return next((doubt for doubt in self._doubts.values() if doubt is not None), None)

    @property
    def where_memory_ran_out(self) -> str | None:
        """For how many examples memory ran out, if others reached their sizes; else None.

        Several axes were too large together then, and none of them alone.
        """
        return None if self.unreached else self._out_of_reach.reason

    def _keep(self, measure: Measure, example: Example, part: str) -> None:
        name = f"{part}: {measure.output}" if len(self._targets) > 1 else measure.output
        self.tolerance[name] = max(measure.atol, self.tolerance.get(name, 0.0))
        self.tolerance_origin = self._targets[part].tolerance.origin
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
