"""Run the requirements on one cell, in ladder order, and make its records."""

from __future__ import annotations

import functools
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from harness.errors import NotJudgedError, one_line
from harness.evidence.memory import out_of_memory
from harness.evidence.sides import Example
from harness.judge.budget import Budget
from harness.judge.example_results import ExampleResults
from harness.judge.examples import minimise
from harness.judge.observer import Observer, ProgressCounter
from harness.records import CellId, FailingExample, Outcome, Record, Worst
from harness.requirements import ladder
from harness.requirements._base import EXPORTER

if TYPE_CHECKING:
    from harness.evidence.evidence import Evidence
    from harness.evidence.tolerance import ToleranceOf
    from harness.judge.domain import Domain
    from harness.requirements._base import Blame, Finding, Requirement

Replay = Callable[[str, Example | None], str | None]

SHOWN_FINDINGS = 6


@dataclass(frozen=True, kw_only=True)
class PreparedCell:
    """A cell that is ready to be judged: evidence, planned requirements and shared examples.

    `replay` returns the command that reruns a requirement on one example. Failing examples of the
    `expected` requirements, which are known failures, are not shrunk. With `strict_domain`, a
    requirement that did not reach every landmark is inconclusive; else it passes as far as it went.
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
    budget_seconds: float | None = None
    observer: Observer = field(default_factory=Observer)

    @functools.cached_property
    def counter(self) -> ProgressCounter:
        """Reports progress over the planned requirements."""
        return ProgressCounter(self._example_counts, self.observer)

    @functools.cached_property
    def budget(self) -> Budget | None:
        """The time for examples; None if it is not limited. It runs from the first request on."""
        seconds = self.budget_seconds
        return None if seconds is None else Budget(seconds, self._example_counts)

    @functools.cached_property
    def _example_counts(self) -> dict[str, int]:
        planned = (r for r in ladder() if r.id in self.requirements)
        return {r.id: len(_chosen(self, r)) for r in planned}


def run_requirements(prepared: PreparedCell) -> Iterator[Record]:
    """Yield one record per planned requirement, in ladder order, each as soon as it is ready.

    `export` runs even if it is not planned, because all other requirements need its files. If
    eager PyTorch contradicts itself, every record is `not_applicable`.
    """
    reason = prepared.evidence.why_no_reference()
    if reason is not None:
        yield from repeat_outcome(
            prepared.cell, prepared.requirements, outcome=Outcome.NOT_APPLICABLE, message=reason
        )
        return
    blocker: Record | None = None
    for requirement in ladder():
        is_planned = requirement.id in prepared.requirements
        if not is_planned and requirement.id != "export":
            continue
        if blocker is not None:
            yield _skipped(prepared.cell, requirement.id, blocker)
            continue
        record, is_fatal = _run_requirement(prepared, requirement)
        if is_fatal:
            blocker = record
        if is_planned:
            yield record


def repeat_outcome(
    cell: CellId, requirements: Sequence[str], *, outcome: Outcome, message: str, trace: str = ""
) -> Iterator[Record]:
    """Yield a record with this outcome and message for every planned requirement; run none."""
    for requirement in ladder():
        if requirement.id in requirements:
            yield Record(
                cell=cell,
                requirement=requirement.id,
                outcome=outcome,
                message=message,
                traceback=trace or None,
            )


def _skipped(cell: CellId, requirement: str, blocker: Record) -> Record:
    how = "is inconclusive" if blocker.outcome is Outcome.INCONCLUSIVE else "failed"
    message = f"skipped: {blocker.requirement} {how} in a way that leaves nothing to judge here"
    return Record(cell=cell, requirement=requirement, outcome=Outcome.SKIPPED, message=message)


def _run_requirement(prepared: PreparedCell, requirement: Requirement) -> tuple[Record, bool]:
    """Return the record, and whether later requirements must be skipped because of it."""
    start = time.perf_counter()
    prepared.counter.report(requirement.id)
    record = Record(cell=prepared.cell, requirement=requirement.id, outcome=Outcome.PASSED)
    is_fatal = False
    try:
        reason = _why_not_applicable(requirement, prepared.evidence)
        if reason is not None:
            return replace(record, outcome=Outcome.NOT_APPLICABLE, message=reason), False
        found = list(requirement.examine(prepared.evidence)) if requirement.examine else []
        notes = "\n".join(finding.message for finding in found if finding.is_note)
        record = replace(record, message=notes, interface=requirement.interface(prepared.evidence))
        findings = [finding for finding in found if not finding.is_note]
        if findings:
            record = _failed_record(record, prepared, findings, None)
            is_fatal = any(finding.is_fatal for finding in findings)
        elif requirement.examine_example or requirement.examine_together:
            record = _judge_domain(_run_on_examples(record, prepared, requirement), prepared)
    except Exception as error:
        record = _without_verdict(record, prepared, error)
        is_fatal = requirement.id == "export"
    return replace(record, seconds=round(time.perf_counter() - start, 6)), is_fatal


def _without_verdict(record: Record, prepared: PreparedCell, error: Exception) -> Record:
    """Return the record of a requirement that raised; called while `error` is handled."""
    reason = error if isinstance(error, NotJudgedError) else out_of_memory(error)
    if reason is not None:
        message = f"{record.requirement}: {one_line(reason)} [{prepared.cell}]"
        return replace(record, outcome=Outcome.INCONCLUSIVE, message=message)
    return replace(
        record,
        outcome=Outcome.ERRORED,
        message=f"harness: got {type(error).__name__}: {one_line(error)}, expected a verdict; "
        "this is a defect of the harness or of the description, please report it "
        f"[{prepared.cell}]",
        traceback=traceback.format_exc(),
        blame="harness",
        replay=prepared.replay(record.requirement, None),
    )


def _why_not_applicable(requirement: Requirement, evidence: Evidence) -> str | None:
    """Return why a requirement applies to no part of a cell; None if it applies."""
    if requirement.exports_again and not evidence.is_own_export:
        return "the files were given, so the harness cannot export them again"
    configs = [evidence.config, *(part.config for part in evidence.parts)]
    reasons = [requirement.why_not_applicable(config) for config in configs]
    return None if None in reasons else reasons[0]


def _chosen(prepared: PreparedCell, requirement: Requirement) -> Sequence[Example]:
    """Return the examples that a requirement examines: those it can afford, or a sample of them.

    A sample is taken at equal distances, so that not only corners are taken.
    """
    runs_examples = requirement.examine_example or requirement.examine_together
    if not runs_examples or _why_not_applicable(requirement, prepared.evidence) is not None:
        return ()
    config, domain, count = prepared.evidence.config, prepared.domain, requirement.sample
    examples = [e for e in prepared.examples if domain.allows(requirement.sizes(config, e))]
    if count is None or len(examples) <= count:
        return examples
    return [examples[index * len(examples) // count] for index in range(count)]


def _affordable(prepared: PreparedCell, requirement: Requirement) -> Iterable[Example]:
    """Return the chosen examples, or only the ones that fit in the budget."""
    chosen, domain = _chosen(prepared, requirement), prepared.domain
    config = prepared.evidence.config
    if prepared.budget is None:
        return chosen
    return prepared.budget.within(
        requirement.id, chosen, lambda e: domain.cost(requirement.sizes(config, e)).operations
    )


def _run_on_examples(record: Record, prepared: PreparedCell, requirement: Requirement) -> Record:
    """Return the record after the requirement examined its examples."""
    results = ExampleResults(requirement, prepared.evidence, prepared.tolerance_of)
    for number, example in enumerate(_affordable(prepared, requirement), start=1):
        prepared.counter.report(requirement.id, example=number)
        results.add(example)
    results.finish()
    missed = prepared.domain.unreached(results.examples) if requirement.visits_bounds else ()
    notes = [f"{note} ({n} of {results.observed} examples)" for note, n in results.notes.items()]
    lines = [record.message, *notes, _undecided_note(record, results)]
    record = replace(
        record,
        message="\n".join(filter(None, lines)),
        examples=results.observed,
        covered=results.covered,
        bounds=results.bounds,
        unreached=tuple(missed) or results.unreached,
        worst=results.worst,
        needed_atol=results.needed_atol,
        tolerance=results.tolerance,
        tolerance_origin=results.tolerance_origin,
        part=results.part,
    )
    if results.first_failing is None:
        reason = results.why_inconclusive()
        if reason is None:
            return record
        return replace(
            record,
            outcome=Outcome.INCONCLUSIVE,
            message=f"{requirement.id}: {reason} [{prepared.cell}]",
        )
    shown = results.first_failing
    if requirement.id not in prepared.expected:
        prepared.counter.report(requirement.id, doing="looking for a smaller failing example")
        space = prepared.evidence.config.axis_space
        smaller = minimise(shown, space, lambda e: bool(results.findings(e)))
        shown = shown if results.is_undecided(smaller) else smaller
    prepared.counter.report(requirement.id, doing="looking for the layer at fault")
    return _failed_record(record, prepared, results.findings_with_blame(shown), shown)


def _judge_domain(record: Record, prepared: PreparedCell) -> Record:
    """Return the record, inconclusive if it passed without reaching a landmark of a strict domain.

    Every record of a requirement that ran on examples goes through here.
    """
    if record.outcome is not Outcome.PASSED or not (record.unreached and prepared.strict_domain):
        return record
    missed = "; ".join(
        f"{one.landmark}: got {one.reached:,}, expected {one.bound:,}, which needs {one.needs}"
        for one in record.unreached
    )
    message = f"{record.requirement}: {missed} [{prepared.cell}]"
    return replace(
        record,
        outcome=Outcome.INCONCLUSIVE,
        message="\n".join(filter(None, [record.message, message])),
    )


def _undecided_note(record: Record, results: ExampleResults) -> str:
    """Return a note about examples that neither passed nor failed; empty if all did."""
    if not results.undecided:
        return ""
    count = len(results.undecided)
    return (
        f"examples: got {count} undecided of {results.observed + count}, since the rounding error "
        "of eager PyTorch exceeds atol there and explains the difference, expected none undecided "
        f"[{record.cell}, {results.undecided[0]}]"
    )


def _failed_record(
    record: Record, prepared: PreparedCell, findings: Sequence[Finding], example: Example | None
) -> Record:
    return replace(
        record,
        outcome=Outcome.FAILED,
        message="\n".join(_failure_lines(record, prepared, findings, example)),
        part=findings[0].part or record.part,
        blame=_blame(findings[0]).layer,
        failing=FailingExample(axes=example.axes, seed=example.seed) if example else None,
        replay=prepared.replay(record.requirement, example),
    )


def _failure_lines(
    record: Record, prepared: PreparedCell, findings: Sequence[Finding], example: Example | None
) -> Iterator[str]:
    """Yield the lines of a failure message.

    First each finding as *subject: got, expected [cell, axis sizes, seed]*, then each different
    reason for the blame once, then the worst example.
    """
    names_part = len(prepared.evidence.parts) > 1

    def line(part: str | None, message: str, at: Example | None) -> str:
        subject = _with_part(part, message) if names_part else message
        return f"{subject} [{prepared.cell}, {at}]" if at else f"{subject} [{prepared.cell}]"

    for finding in findings[:SHOWN_FINDINGS]:
        yield line(finding.part, finding.message, example)
    if len(findings) > SHOWN_FINDINGS:
        yield f"... and {len(findings) - SHOWN_FINDINGS} more"
    reasons = ((f.part if names_part else None, _blame(f).reason) for f in findings)
    yield from dict.fromkeys(_with_part(part, reason) for part, reason in reasons if reason)
    worst = record.worst
    if worst is not None and example is not None and not worst.max_abs_diff <= worst.atol:
        message = _worst_message(worst, examples=record.examples)
        yield line(record.part, message, Example.of(dict(worst.axes), worst.seed))


def _with_part(part: str | None, message: str) -> str:
    return f"{part}: {message}" if part else message


def _blame(finding: Finding) -> Blame:
    """Return the blame; a finding about the file itself, without a blame, is the exporter's."""
    return finding.blame or EXPORTER


def _worst_message(worst: Worst, *, examples: int) -> str:
    return (
        f"values of {worst.output}: got max_abs_diff {worst.max_abs_diff:.3g}, expected at most "
        f"atol {worst.atol:.3g}, in the worst of {examples} examples"
    )
