"""Finds what of a cell a script can show: the requirement that fails, and the feeds that its files
got while it was examined."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.evidence.session import OPTIMISED, CandidateError
from harness.evidence.sides import EagerError, Example, TogetherEvidence, as_tensors
from harness.judge.ladder import Judgement, climb
from harness.records import Outcome, Record
from harness.requirements import ladder
from harness.requirements._compare import compare

if TYPE_CHECKING:
    import torch

    from harness.configs.base import Feed
    from harness.evidence.session import Run
    from harness.evidence.sides import PartEvidence, Sides
    from harness.requirements._base import Requirement

_SHOWN = {Outcome.FAILED, Outcome.PASSED, Outcome.INCONCLUSIVE}


@dataclass(frozen=True, slots=True)
class Recorder:
    """Runs files as their users do, and keeps what they were fed."""

    name: str = "ONNX Runtime"
    feeds: list[tuple[str, Feed]] = field(default_factory=list)

    def open(self, part: PartEvidence) -> Run:
        run = OPTIMISED.open(part)

        def recorded(feed: Feed) -> Any:
            self.feeds.append((part.stem, feed))
            return run(feed)

        return recorded


@dataclass(frozen=True, slots=True)
class Fed:
    """A part and what it was fed."""

    part: str
    feed: Mapping[str, torch.Tensor]


def worst_record(judgement: Judgement) -> Record:
    """The first failure of the ladder, or `agreement` where there is none.

    Raises UsageError where the cell was not judged at all.
    """
    records = list(climb(judgement))
    failed = (record for record in records if record.outcome is Outcome.FAILED)
    last = next((r for r in records if r.requirement == "agreement"), records[-1])
    record = next(failed, last)
    if record.outcome not in _SHOWN:
        raise UsageError(f"{judgement.cell}: nothing to show, {record.outcome}: {record.headline}")
    return record


def feeds_for(judgement: Judgement, record: Record) -> list[Fed]:
    """What parts were fed while the example of a record was examined, the most telling first.

    Empty where no part was run on anything.
    """
    requirement = next(one for one in ladder() if one.id == record.requirement)
    example = _example(judgement, record)
    recorder = Recorder()
    evidence = judgement.evidence.under(recorder)
    for examine in _examinations(requirement, evidence.sides):
        examine(example, judgement.atol)
    parts = {part.stem: part for part in judgement.evidence.parts}
    fed = [(parts[stem], feed) for stem, feed in recorder.feeds]
    ordered = sorted(fed, key=lambda one: _gap(one[0], one[1], judgement.atol), reverse=True)
    return [Fed(part.stem, as_tensors(feed)) for part, feed in ordered]


def _example(judgement: Judgement, record: Record) -> Example:
    """The minimal failing example, else the one that was furthest off, else the first."""
    shown = record.failing or record.worst
    return judgement.examples[0] if shown is None else Example.of(dict(shown.axes), shown.seed)


def _examinations(
    requirement: Requirement, sides: Sequence[Sides]
) -> Iterator[Callable[[Example, float], object]]:
    for one in sides:
        is_whole = isinstance(one, TogetherEvidence)
        examine: Any = requirement.examine_together if is_whole else requirement.examine_example
        if examine is not None and requirement.why_not_applicable(one.config) is None:
            yield functools.partial(examine, one)


def _gap(part: PartEvidence, feed: Feed, atol: float) -> float:
    """How many times atol a file is off on a feed; infinite where the two sides cannot be compared,
    and nothing where eager PyTorch refuses it."""
    try:
        reference = part.eager(as_tensors(feed))
    except EagerError:
        return -1.0
    try:
        found = compare(reference, part.run(feed), atol)
    except CandidateError:
        return math.inf
    ratios = (measure.error_ratio for measure in found.measures)
    return max((math.inf if math.isnan(ratio) else ratio for ratio in ratios), default=-1.0)
