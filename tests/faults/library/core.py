"""What a fault is: a way to be wrong, and the requirement that is there to refuse it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from harness import CellReport, OnnxConfig, Outcome, check
from harness.requirements import ladder
from tests.faults.library.subjects import Bench, Subject

PROFILE = "smoke"

_WRONG = {Outcome.FAILED, Outcome.ERRORED, Outcome.CRASHED, Outcome.TIMED_OUT}


class Family(StrEnum):
    """Where what is wrong comes from."""

    EDIT = "edit of a file"
    EXPORTER = "wrong exporter"
    DESCRIPTION = "wrong description"
    RUNTIME = "runtime-only"


@dataclass(frozen=True, slots=True)
class Candidate:
    """Files, the model that they are to agree with, and what they are described as."""

    model: Any
    config: OnnxConfig
    folder: Path
    opset: int | None


class Case(ABC):
    """What makes files wrong, or leaves them right, for a subject."""

    family: ClassVar[Family]

    @abstractmethod
    def candidate(self, bench: Bench, subject: Subject) -> AbstractContextManager[Candidate]:
        """The files, in force for the length of the block; raises what an exporter raises."""

    def judge(
        self, bench: Bench, subject: Subject, requirements: Sequence[str] | None
    ) -> CellReport:
        """What the harness says of it; None judges by all requirements."""
        with self.candidate(bench, subject) as one:
            return check(
                one.folder,
                one.model,
                subject.task,
                opset=one.opset,
                config=one.config,
                requirements=requirements,
                profile=PROFILE,
            )


@dataclass(frozen=True, slots=True)
class Fault:
    """`refused_by` names the requirement that must be the first to refuse it, or each of those
    that may honestly be; of none where behaviour stays as it was, which is then proven.

    `threads` are public reports of the mechanism, *repository#number*.
    """

    name: str
    subject: Subject
    refused_by: tuple[str, ...]
    mechanism: str
    case: Case
    threads: tuple[str, ...] = ()

    @property
    def is_equivalent(self) -> bool:
        return not self.refused_by

    def __str__(self) -> str:
        return f"{self.subject.architecture}-{self.name}"


@dataclass(frozen=True, slots=True)
class Benign:
    """Something that must conform, and why."""

    name: str
    subject: Subject
    reason: str
    case: Case

    def __str__(self) -> str:
        return f"{self.subject.architecture}-{self.name}"


def judge(fault: Fault, bench: Bench) -> CellReport:
    """Up to the last requirement that may be the first to refuse; if none does, by all of them,
    so that a fault which is refused elsewhere is told from one that passes."""
    report = fault.case.judge(bench, fault.subject, _up_to(fault.refused_by))
    if report.conforms and not fault.is_equivalent:
        return fault.case.judge(bench, fault.subject, None)
    return report


def first_refusal(report: CellReport) -> str | None:
    """The first requirement that finds something wrong or, where none does, that cannot tell.

    What cannot tell may stand above what explains it: a file that does not run has no shapes.
    """
    for outcomes in (_WRONG, {Outcome.INCONCLUSIVE}):
        for record in report.records:
            if record.outcome in outcomes:
                return record.requirement
    return None


def _up_to(refused_by: Sequence[str]) -> list[str] | None:
    ids = [requirement.id for requirement in ladder()]
    places = [ids.index(name) for name in refused_by if name in ids]
    return ids[: max(places) + 1] if places else None
