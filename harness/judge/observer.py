"""Events while files are judged, for callers: the plan, progress, records, the scope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.records import CellId, Record, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of judging.

    `stage` is what happens now, such as `loading the model` or `agreement`. For a requirement,
    `number` is its place among `count` planned ones, from 1, and `example` the number of its
    current example among `examples`; 0 if it runs none. `done` of `total` counts examples over all
    requirements, for an estimate.
    """

    stage: str
    number: int = 0
    count: int = 0
    example: int = 0
    examples: int = 0
    done: int = 0
    total: int = 0

    def __str__(self) -> str:
        place = f" ({self.number} of {self.count})" if self.number else ""
        example = f": example {self.example} of {self.examples}" if self.examples else ""
        return f"{self.stage}{place}{example}"


class Observer:
    """Observes judging. Its methods do nothing; override the interesting ones."""

    def plan(self, cell: CellId, requirements: Sequence[str]) -> None:
        """The requirements of a cell are known, and none has run."""

    def progress(self, progress: Progress) -> None:
        """Judging has come this far."""

    def record(self, record: Record) -> None:
        """A record is ready."""

    def scope(self, scope: Scope) -> None:
        """The scope of the verdict is known, or has changed since the last call."""


class ProgressCounter:
    """Makes the progress of the planned requirements of a cell, in ladder order.

    `sizes` is requirement -> how many examples it runs; one that runs none counts as one example.
    """

    def __init__(self, sizes: dict[str, int], observer: Observer) -> None:
        self._sizes = sizes
        self._names = list(sizes)
        self._total = sum(max(1, size) for size in sizes.values())
        self._observer = observer

    def report(self, requirement: str, *, example: int = 0, doing: str = "") -> None:
        """Report that an example of a requirement begins, from 1, or that the requirement does.

        `doing` says what else the requirement does, after its examples.
        """
        stage = f"{requirement}, {doing}" if doing else requirement
        if requirement not in self._sizes:  # `export` runs for the others, unplanned
            self._observer.progress(Progress(stage=stage, total=self._total))
            return
        index = self._names.index(requirement)
        before = sum(max(1, self._sizes[name]) for name in self._names[:index])
        self._observer.progress(
            Progress(
                stage=stage,
                number=index + 1,
                count=len(self._names),
                example=example,
                examples=self._sizes[requirement] if example else 0,
                done=before + (self._sizes[requirement] if doing else max(0, example - 1)),
                total=self._total,
            )
        )
