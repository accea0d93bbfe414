"""The ladder: runs the requirements in order on one cell's evidence and makes the records."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.errors import one_line
from harness.evidence.sides import Example
from harness.judge.examples import minimise
from harness.judge.tally import Tally
from harness.records import CellId, Failing, Outcome, Record, Worst
from harness.requirements import ladder
from harness.requirements._base import EXPORTER

if TYPE_CHECKING:
    from harness.evidence.evidence import Evidence
    from harness.requirements._base import Blame, Finding, Requirement

Replay = Callable[[str, Example | None], str | None]

SHOWN_FINDINGS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What is to be judged: evidence, the planned requirements and the examples they share.

    `replay` makes the command that reruns a requirement on one example. What fails of a requirement
    that is `expected` to fail is known, and not made small.
    """

    cell: CellId
    evidence: Evidence
    requirements: Sequence[str]
    examples: Sequence[Example]
    atol: float
    replay: Replay
    expected: Collection[str] = ()


def climb(judgement: Judgement) -> Iterator[Record]:
    """One record for each planned requirement, in ladder order, as soon as it is known.

    `export` is judged even where it is not planned, since nothing else has files without it. A
    reference that contradicts itself can judge nothing.
    """
    reason = judgement.evidence.why_no_reference()
    if reason is not None:
        yield from without_judging(
            judgement.cell, judgement.requirements, outcome=Outcome.NOT_APPLICABLE, message=reason
        )
        return
    blocker: str | None = None
    for requirement in ladder():
        is_planned = requirement.id in judgement.requirements
        if not is_planned and requirement.id != "export":
            continue
        if blocker is not None:
            yield _skipped(judgement.cell, requirement.id, blocker)
            continue
        record, is_fatal = _judge(judgement, requirement)
        if is_fatal:
            blocker = requirement.id
        if is_planned:
            yield record


def without_judging(
    cell: CellId, requirements: Sequence[str], *, outcome: Outcome, message: str, trace: str = ""
) -> Iterator[Record]:
    """The same outcome for every planned requirement."""
    for requirement in ladder():
        if requirement.id in requirements:
            yield Record(
                cell=cell,
                requirement=requirement.id,
                outcome=outcome,
                message=message,
                traceback=trace or None,
            )


def _skipped(cell: CellId, requirement: str, blocker: str) -> Record:
    message = f"skipped: {blocker} failed in a way that leaves nothing to judge here"
    return Record(cell=cell, requirement=requirement, outcome=Outcome.SKIPPED, message=message)


def _judge(judgement: Judgement, requirement: Requirement) -> tuple[Record, bool]:
    """The record, and whether the rest of the ladder is meaningless after it."""
    start = time.perf_counter()
    record = Record(cell=judgement.cell, requirement=requirement.id, outcome=Outcome.PASSED)
    is_fatal = False
    try:
        reason = _why_not_applicable(requirement, judgement.evidence)
        if reason is not None:
            return replace(record, outcome=Outcome.NOT_APPLICABLE, message=reason), False
        seen = list(requirement.examine(judgement.evidence)) if requirement.examine else []
        notes = "\n".join(finding.message for finding in seen if finding.is_note)
        record = replace(record, message=notes, interface=requirement.interface(judgement.evidence))
        findings = [finding for finding in seen if not finding.is_note]
        if findings:
            record = _failed(record, judgement, findings, None)
            is_fatal = any(finding.is_fatal for finding in findings)
        elif requirement.examine_example or requirement.examine_together:
            record = _judge_examples(record, judgement, requirement)
    except Exception as error:
        record = replace(
            record,
            outcome=Outcome.ERRORED,
            message=f"harness: got {type(error).__name__}: {one_line(error)}, expected a verdict; "
            "this is a defect of the harness or of the description, please report it "
            f"[{judgement.cell}]",
            traceback=traceback.format_exc(),
            blame="harness",
            replay=judgement.replay(requirement.id, None),
        )
        is_fatal = requirement.id == "export"
    return replace(record, seconds=round(time.perf_counter() - start, 6)), is_fatal


def _why_not_applicable(requirement: Requirement, evidence: Evidence) -> str | None:
    """Why a requirement asks nothing of any part of a cell; None where it does."""
    if requirement.exports_again and not evidence.is_own_export:
        return "the files were given, and nothing here exports them again"
    configs = [evidence.config, *(part.config for part in evidence.parts)]
    reasons = [requirement.why_not_applicable(config) for config in configs]
    return None if None in reasons else reasons[0]


def _sample(examples: Sequence[Example], count: int | None) -> Sequence[Example]:
    """So many examples at equal distances, since corners come first, or all of them."""
    if count is None or len(examples) <= count:
        return examples
    return [examples[index * len(examples) // count] for index in range(count)]


def _judge_examples(record: Record, judgement: Judgement, requirement: Requirement) -> Record:
    tally = Tally(requirement, judgement.evidence, judgement.atol)
    for example in _sample(judgement.examples, requirement.sample):
        tally.add(example)
    tally.settle()
    record = replace(
        record,
        message="\n".join(filter(None, [record.message, _undecided(record, tally)])),
        examples=tally.observed,
        covered=tally.covered,
        worst=tally.worst,
        needed_atol=tally.needed_atol,
        part=tally.part,
    )
    if tally.first_failing is None:
        reason = tally.why_inconclusive()
        if reason is None:
            return record
        return replace(
            record,
            outcome=Outcome.INCONCLUSIVE,
            message=f"{requirement.id}: {reason} [{judgement.cell}]",
        )
    shown = tally.first_failing
    if requirement.id not in judgement.expected:
        space = judgement.evidence.config.axis_space
        smaller = minimise(shown, space, lambda e: bool(tally.findings(e)))
        shown = shown if tally.decides_nothing(smaller) else smaller
    return _failed(record, judgement, tally.explained(shown), shown)


def _undecided(record: Record, tally: Tally) -> str:
    """A note of what was drawn and not judged."""
    if not tally.undecided:
        return ""
    count = len(tally.undecided)
    return (
        f"examples: got {count} of {tally.observed + count} that decide nothing, since eager "
        "PyTorch rounded otherwise is as far from eager PyTorch there as the files are, expected "
        f"none [{record.cell}, {tally.undecided[0]}]"
    )


def _failed(
    record: Record, judgement: Judgement, findings: Sequence[Finding], example: Example | None
) -> Record:
    return replace(
        record,
        outcome=Outcome.FAILED,
        message="\n".join(_failure_lines(record, judgement, findings, example)),
        part=findings[0].part or record.part,
        blame=_blame(findings[0]).layer,
        failing=Failing(axes=example.axes, seed=example.seed) if example else None,
        replay=judgement.replay(record.requirement, example),
    )


def _failure_lines(
    record: Record, judgement: Judgement, findings: Sequence[Finding], example: Example | None
) -> Iterator[str]:
    """Each as *subject: got, expected [cell, axis sizes, seed]*, then who is to blame, once for all
    that it explains, and the worst example last."""
    names_part = len(judgement.evidence.parts) > 1

    def line(part: str | None, message: str, at: Example | None) -> str:
        subject = _of_part(part, message) if names_part else message
        return f"{subject} [{judgement.cell}, {at}]" if at else f"{subject} [{judgement.cell}]"

    for finding in findings[:SHOWN_FINDINGS]:
        yield line(finding.part, finding.message, example)
    if len(findings) > SHOWN_FINDINGS:
        yield f"... and {len(findings) - SHOWN_FINDINGS} more"
    reasons = ((f.part if names_part else None, _blame(f).reason) for f in findings)
    yield from dict.fromkeys(_of_part(part, reason) for part, reason in reasons if reason)
    worst = record.worst
    if worst is not None and example is not None and not worst.max_abs_diff <= worst.atol:
        message = _worst_message(worst, examples=record.examples)
        yield line(record.part, message, Example.of(dict(worst.axes), worst.seed))


def _of_part(part: str | None, message: str) -> str:
    return f"{part}: {message}" if part else message


def _blame(finding: Finding) -> Blame:
    """What no example shows is how the file was written."""
    return finding.blame or EXPORTER


def _worst_message(worst: Worst, *, examples: int) -> str:
    return (
        f"values of {worst.output}: got max_abs_diff {worst.max_abs_diff:.3g}, expected at most "
        f"atol {worst.atol:.3g}, in the worst of {examples} examples"
    )
