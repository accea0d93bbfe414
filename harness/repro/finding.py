"""Choose what the script of a cell shows: the failing requirement, and the feeds that show it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.evidence.example import Example
from harness.evidence.execution import OPTIMISED
from harness.evidence.reference import EagerError, as_tensors
from harness.evidence.session import CandidateError
from harness.evidence.sides import TogetherEvidence
from harness.judge.ladder import run_requirements
from harness.judge.prepared_cell import PreparedCell
from harness.records import Outcome, Record
from harness.requirements import ladder
from harness.requirements.shared.comparison import compare

if TYPE_CHECKING:
    import torch

    from harness.configs.feeds import Feed
    from harness.evidence.eager_part import EagerPart
    from harness.evidence.part_file import PartFile
    from harness.evidence.session import Run
    from harness.evidence.sides import PartEvidence, Sides
    from harness.evidence.tolerance import Tolerance
    from harness.requirements.shared.requirement import Requirement

_SHOWN = {Outcome.FAILED, Outcome.PASSED, Outcome.INCONCLUSIVE}


@dataclass(frozen=True, slots=True)
class FeedRecorder:
    """Execution that runs files as their users do and records the feed of each run."""

    name: str = "ONNX Runtime"
    feeds: list[tuple[str, Feed]] = field(default_factory=list)

    def open(self, file: PartFile, eager: EagerPart) -> Run:
        run = OPTIMISED.open(file, eager)

        def recorded(feed: Feed) -> Any:
            self.feeds.append((file.stem, feed))
            return run(feed)

        return recorded


@dataclass(frozen=True, slots=True)
class PartFeed:
    """A part and a feed that it was run on."""

    part: str
    feed: Mapping[str, torch.Tensor]


def record_to_show(prepared: PreparedCell) -> Record:
    """Judge the cell and return its first failed record, or `agreement` if none failed.

    Raises UsageError if that record has no verdict, such as a skipped one.
    """
    records = list(run_requirements(prepared))
    failed = (record for record in records if record.outcome is Outcome.FAILED)
    last = next((r for r in records if r.requirement == "agreement"), records[-1])
    record = next(failed, last)
    if record.outcome not in _SHOWN:
        raise UsageError(
            f"{prepared.cell}: no script is written, the verdict is {record.outcome}: "
            f"{record.headline}"
        )
    return record


def feeds_for(prepared: PreparedCell, record: Record) -> list[PartFeed]:
    """Return the feeds of all parts for the example of a record, largest error first.

    Examines the example once more to record them. Empty if no part was run.
    """
    requirement = next(one for one in ladder() if one.id == record.requirement)
    example = _example(prepared, record)
    recorder = FeedRecorder()
    recorded = [sides.under(recorder) for sides in prepared.evidence.sides]
    for sides, examine in _examinations(requirement, recorded):
        examine(sides, example, prepared.tolerance_of(sides))
    parts = {part.stem: part for part in prepared.evidence.parts}
    feeds = [(parts[stem], feed) for stem, feed in recorder.feeds]

    def error_ratio(one: tuple[PartEvidence, Feed]) -> float:
        return _largest_error_ratio(*one, prepared.tolerance_of(one[0]))

    feeds.sort(key=error_ratio, reverse=True)
    return [PartFeed(part.stem, as_tensors(feed)) for part, feed in feeds]


def _example(prepared: PreparedCell, record: Record) -> Example:
    """Return the minimal failing example, else the one with the largest error, else the first."""
    recorded = record.failing or record.worst
    if recorded is None:
        return prepared.examples[0]
    return Example.of(dict(recorded.axes), recorded.seed)


def _examinations(
    requirement: Requirement, sides: Sequence[Sides]
) -> Iterator[tuple[Sides, Callable[[Any, Example, Tolerance], object]]]:
    for one in sides:
        is_whole = isinstance(one, TogetherEvidence)
        examine: Any = requirement.examine_together if is_whole else requirement.examine_example
        if examine is not None and requirement.why_not_applicable(one.config) is None:
            yield one, examine


def _largest_error_ratio(part: PartEvidence, feed: Feed, tolerance: Tolerance) -> float:
    """Return the largest error ratio of a part's outputs on a feed.

    Infinite if ONNX Runtime fails or an error is NaN; -1 if eager PyTorch refuses the feed or no
    output can be compared.
    """
    try:
        reference = part.eager(as_tensors(feed))
    except EagerError:
        return -1.0
    try:
        found = compare(reference, part.run(feed), tolerance)
    except CandidateError:
        return math.inf
    ratios = (measure.error_ratio for measure in found.measures)
    return max((math.inf if math.isnan(ratio) else ratio for ratio in ratios), default=-1.0)
