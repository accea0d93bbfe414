"""Faults: wrong files, exporters, descriptions or runtimes, and what must refuse them."""

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
    """The origin of a fault."""

    EDIT = "edit of a file"
    EXPORTER = "wrong exporter"
    DESCRIPTION = "wrong description"
    RUNTIME = "runtime-only"


@dataclass(frozen=True, slots=True)
class Candidate:
    """Exported files, with the model and the description that they are judged by.

    `atol` None means that the tolerance is measured.
    """

    model: Any
    config: OnnxConfig
    folder: Path
    opset: int | None
    atol: float | None = None


class Case(ABC):
    """A way to make wrong or correct files of a subject."""

    family: ClassVar[Family]

    @abstractmethod
    def candidate(self, bench: Bench, subject: Subject) -> AbstractContextManager[Candidate]:
        """Make the files, for use inside the block; raises the errors of an exporter."""

    def judge(
        self, bench: Bench, subject: Subject, requirements: Sequence[str] | None
    ) -> CellReport:
        """Return the harness's report on the files; `requirements` None means all."""
        with self.candidate(bench, subject) as one:
            return check(
                one.folder,
                one.model,
                subject.task,
                opset=one.opset,
                config=one.config,
                atol=one.atol,
                requirements=requirements,
                profile=PROFILE,
            )


@dataclass(frozen=True, slots=True)
class Fault:
    """A wrong case, and the requirements that may be the first to refuse it.

    `refused_by` names one requirement, or several if each of them may rightly be the first. It is
    empty for an equivalent edit: a test proves that behaviour does not change. `threads` are
    public reports of the mechanism, *repository#number*.
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
    """A change that must conform, and the reason."""

    name: str
    subject: Subject
    reason: str
    case: Case

    def __str__(self) -> str:
        return f"{self.subject.architecture}-{self.name}"


def judge_fault(fault: Fault, bench: Bench) -> CellReport:
    """Judge a fault by the requirements up to the last one that may refuse it first.

    If it conforms, judge it by all requirements: another one may refuse it.
    """
    report = fault.case.judge(bench, fault.subject, _up_to(fault.refused_by))
    if report.conforms and not fault.is_equivalent:
        return fault.case.judge(bench, fault.subject, None)
    return report


def first_refusal(report: CellReport) -> str | None:
    """Return the first requirement that failed, else the first inconclusive one, else None.

    A failure counts before an earlier inconclusive record, which it may explain: if a file does
    not run, `dynamic-axes` has no shapes to judge.
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
