"""Kinds of cases: an edited file, an exporter, a description, a runtime."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import onnx

from harness import (
    CellId,
    CellReport,
    Exporter,
    OnnxConfig,
    Outcome,
    Record,
    judge_cell,
    register,
    register_exporter,
)
from harness.exporters import get_exporter
from harness.judge.rounding import eager_rounding, largest_allowed_atol
from tests.faults.library.core import PROFILE, Candidate, Case, Family, Fault
from tests.faults.library.runtime_kinds import Runtime, running
from tests.faults.library.subjects import Bench, Subject, more_architectures
from tests.faults.library.surgery import Edit
from tests.tiny_models.rules import left_out_inputs

ONLY_PART = "model"


@dataclass(frozen=True, slots=True)
class Edited(Case):
    """A correct export with one edited part.

    If `is_asked`, the opset of the subject is requested; otherwise the file's own opset counts. If
    `at_stated`, the tolerance is that of the description: a measured one depends on the machine.
    """

    family: ClassVar[Family] = Family.EDIT
    edit: Edit
    part: str = ONLY_PART
    is_asked: bool = True
    at_stated: bool = False

    @contextmanager
    def candidate(self, bench: Bench, subject: Subject) -> Iterator[Candidate]:
        with bench.scratch() as scratch:
            folder = Path(shutil.copytree(bench.files(subject), scratch / "edited"))
            path = folder / f"{self.part}.onnx"
            model = onnx.load(path)
            self.edit(model)
            onnx.save(model, path)
            opset, config = subject.opset if self.is_asked else None, bench.config(subject)
            atol = config.atol if self.at_stated else None
            yield Candidate(bench.model(subject), config, folder, opset, atol)


@dataclass(frozen=True, slots=True)
class Rearranged(Case):
    """A correct export whose folder is changed."""

    family: ClassVar[Family] = Family.EDIT
    change: Callable[[Path], None]

    @contextmanager
    def candidate(self, bench: Bench, subject: Subject) -> Iterator[Candidate]:
        with bench.scratch() as scratch:
            folder = Path(shutil.copytree(bench.files(subject), scratch / "rearranged"))
            self.change(folder)
            yield Candidate(bench.model(subject), bench.config(subject), folder, subject.opset)


@dataclass(frozen=True, slots=True)
class Exported(Case):
    """An exporter's cell, judged as in a matrix run; `opset` None means the subject's opset."""

    family: ClassVar[Family] = Family.EXPORTER
    exporter: Exporter
    opset: int | None = None

    @contextmanager
    def candidate(self, bench: Bench, subject: Subject) -> Iterator[Candidate]:
        model: Any = copy.deepcopy(bench.model(subject))
        opset = self.opset or subject.opset
        with bench.scratch() as folder:
            self.exporter.export(model, bench.config(subject), opset, folder)
            yield Candidate(model, bench.config(subject), folder, opset)

    def judge(
        self, bench: Bench, subject: Subject, requirements: Sequence[str] | None
    ) -> CellReport:
        with more_architectures():
            register_exporter(self.exporter)
            cell = _cell(subject, self.exporter.name, self.opset or subject.opset)
            return judge_cell(cell, requirements=requirements, profile=PROFILE)


@dataclass(frozen=True, slots=True)
class Foreign(Case):
    """Files of an exporter, judged like files from elsewhere: no opset is requested."""

    family: ClassVar[Family] = Family.EXPORTER
    exporter: Exporter | str
    opset: int | None = None
    edit: Edit = lambda model: None

    @contextmanager
    def candidate(self, bench: Bench, subject: Subject) -> Iterator[Candidate]:
        model, config = bench.model(subject), bench.config(subject)
        chosen = self.exporter
        exporter = get_exporter(chosen) if isinstance(chosen, str) else chosen
        with bench.scratch() as folder:
            artifact = exporter.export(model, config, self.opset or subject.opset, folder)
            for path in artifact.parts.values():
                proto = onnx.load(path)
                self.edit(proto)
                onnx.save(proto, path)
            yield Candidate(model, config, folder, None)


@dataclass(frozen=True, slots=True)
class Described(Case):
    """A correct exporter that is given a wrong description."""

    family: ClassVar[Family] = Family.DESCRIPTION
    description: type[OnnxConfig]

    @contextmanager
    def candidate(self, bench: Bench, subject: Subject) -> Iterator[Candidate]:
        model: Any = copy.deepcopy(bench.model(subject))
        config = self.description(model.config, task=subject.task)
        with bench.scratch() as folder:
            get_exporter("torchscript").export(model, config, subject.opset, folder)
            yield Candidate(model, config, folder, subject.opset)

    def judge(
        self, bench: Bench, subject: Subject, requirements: Sequence[str] | None
    ) -> CellReport:
        with more_architectures():
            register(subject.architecture, tasks=[subject.task])(self.description)
            cell = _cell(subject, "torchscript", subject.opset)
            return judge_cell(cell, requirements=requirements, profile=PROFILE)


@dataclass(frozen=True, slots=True)
class Misdescribed(Case):
    """Correct files, judged by a wrong description that was not used for their export."""

    family: ClassVar[Family] = Family.DESCRIPTION
    description: type[OnnxConfig]

    @contextmanager
    def candidate(self, bench: Bench, subject: Subject) -> Iterator[Candidate]:
        model = bench.model(subject)
        config = self.description(model.config, task=subject.task)
        yield Candidate(model, config, bench.files(subject), subject.opset)


@dataclass(frozen=True, slots=True)
class Measured(Described):
    """A description whose tolerance is compared with the measured limit, as for tiny models.

    The requirements of a cell cannot refuse it: they judge by the declared tolerance.
    """

    def judge(
        self, bench: Bench, subject: Subject, requirements: Sequence[str] | None
    ) -> CellReport:
        config = self.description(bench.config(subject).config, task=subject.task)
        limit = largest_allowed_atol(eager_rounding(bench.model(subject), config))
        outcome = Outcome.PASSED if config.atol <= limit else Outcome.FAILED
        cell = _cell(subject, "torchscript", subject.opset)
        message = f"atol: got {config.atol:.3g}, expected at most {limit:.3g} [{cell}]"
        record = Record(cell=cell, requirement="tolerance", outcome=outcome, message=message)
        return CellReport(cell, (record,))


@dataclass(frozen=True, slots=True)
class LeavesOut(Described):
    """A description without an input of the model, compared with forward, as for tiny models.

    The requirements of a cell cannot refuse it: no example shows the effect of such an input.
    """

    def judge(
        self, bench: Bench, subject: Subject, requirements: Sequence[str] | None
    ) -> CellReport:
        config = self.description(bench.config(subject).config, task=subject.task)
        found = next(left_out_inputs(bench.model(subject), config), None)
        outcome = Outcome.FAILED if found else Outcome.PASSED
        cell = _cell(subject, "torchscript", subject.opset)
        message = f"input {found.name}: {found.details} [{cell}]" if found else ""
        record = Record(cell=cell, requirement="declared-inputs", outcome=outcome, message=message)
        return CellReport(cell, (record,))


@dataclass(frozen=True, slots=True)
class Ran(Case):
    """A file that is correct by the ONNX standard but computed wrongly by a runtime.

    The cause is the form of the file (`edit`), or a defect of the stub `runtime`.
    """

    family: ClassVar[Family] = Family.RUNTIME
    edit: Edit = lambda model: None
    runtime: Runtime | None = None
    at_stated: bool = False

    @contextmanager
    def candidate(self, bench: Bench, subject: Subject) -> Iterator[Candidate]:
        edited = Edited(self.edit, at_stated=self.at_stated)
        with running(self.runtime), edited.candidate(bench, subject) as candidate:
            yield candidate


def _cell(subject: Subject, exporter: str, opset: int) -> CellId:
    return CellId(
        architecture=subject.architecture,
        task=subject.task,
        opset=opset,
        exporter=exporter,
        variant=subject.variant,
    )


def edited(
    name: str,
    subject: Subject,
    refused_by: str | tuple[str, ...],
    mechanism: str,
    edit: Edit,
    *threads: str,
    part: str = ONLY_PART,
    at_stated: bool = False,
) -> Fault:
    """Return a fault that edits a correct file."""
    case = Edited(edit, part, at_stated=at_stated)
    return Fault(name, subject, names(refused_by), mechanism, case, threads)


def rearranged(
    name: str,
    subject: Subject,
    refused_by: str | tuple[str, ...],
    mechanism: str,
    change: Callable[[Path], None],
    *threads: str,
) -> Fault:
    """Return a fault that changes the folder of a correct export."""
    return Fault(name, subject, names(refused_by), mechanism, Rearranged(change), threads)


def names(refused_by: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return one or several names as a tuple."""
    return (refused_by,) if isinstance(refused_by, str) else refused_by
