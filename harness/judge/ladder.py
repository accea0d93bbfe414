"""Run the requirements on one cell, in ladder order, and make its records."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.errors import NotJudgedError, one_line
from harness.evidence.example import Example
from harness.evidence.memory import out_of_memory
from harness.judge.example_results import ExampleResults
from harness.judge.examples import minimise
from harness.records import CellId, FailingExample, Outcome, Record, Worst
from harness.requirements import ladder
from harness.requirements.shared.requirement import EXPORTER

if TYPE_CHECKING:
    from harness.judge.prepared_cell import PreparedCell
    from harness.requirements.shared.requirement import Blame, Finding, Requirement

SHOWN_FINDINGS = 6


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
            yield skipped(prepared.cell, requirement.id, blocker)
            continue
        record, is_fatal = run_requirement(prepared, requirement)
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


def skipped(cell: CellId, requirement: str, blocker: Record) -> Record:
    """Return the record of a requirement that does not run because of the record `blocker`."""
    how = "is inconclusive" if blocker.outcome is Outcome.INCONCLUSIVE else "failed"
    message = f"skipped: {blocker.requirement} {how} in a way that leaves nothing to judge here"
    return Record(cell=cell, requirement=requirement, outcome=Outcome.SKIPPED, message=message)


def run_requirement(prepared: PreparedCell, requirement: Requirement) -> tuple[Record, bool]:
    """Return the record, and whether later requirements must be skipped because of it."""
    start = time.perf_counter()
    prepared.counter.report(requirement.id)
    record = Record(cell=prepared.cell, requirement=requirement.id, outcome=Outcome.PASSED)
    is_fatal = False
    try:
        reason = prepared.why_not_applicable(requirement)
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


def _run_on_examples(record: Record, prepared: PreparedCell, requirement: Requirement) -> Record:
    """Return the record after the requirement examined its examples."""
    results = ExampleResults(requirement, prepared.evidence, prepared.tolerance_of)
    for number, example in enumerate(prepared.examples_of(requirement), start=1):
        prepared.counter.report(requirement.id, example=number)
        results.add(example)
    results.finish()
    visits_bounds = requirement.visits_bounds and not prepared.is_replay
    missed = prepared.domain.unreached(results.examples) if visits_bounds else ()
    notes = [f"{note} ({n} of {results.observed} examples)" for note, n in results.notes.items()]
    memory = results.where_memory_ran_out
    if memory is not None:
        notes.append(f"examples: {memory}; others reached each of these sizes")
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
        reason = results.why_inconclusive() or (memory if prepared.strict_domain else None)
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
