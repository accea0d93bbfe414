"""Fixtures that judge edited copies of correct exports, and files of faulty exporters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from harness import (
    CellId,
    CellReport,
    OnnxConfig,
    Outcome,
    Record,
    check,
    judge_cell,
    register_exporter,
)
from harness.exporters._torch import Target
from harness.exporters._wrapper import FlatModel
from harness.exporters.torchscript import TorchScriptExporter

CORRECT = (
    ("bert", "fill-mask"),
    ("gpt2", "text-generation-with-past"),
    ("t5", "text2text-generation-with-past"),
)

Named = dict[str, torch.Tensor]
Fault = Callable[[Callable[[Named], Named], Named], Named]
"""(correct model, named inputs) -> named outputs."""


@pytest.fixture(params=CORRECT, ids="/".join)
def check_correct(
    request: pytest.FixtureRequest,
    exported: Callable[..., Path],
    subject: Callable[..., Any],
) -> Callable[[str], Record]:
    """Judge a correct export of an encoder, a decoder and three parts by one requirement."""
    architecture, task = request.param

    def run(requirement: str) -> Record:
        folder, model = exported(architecture, task).parent, subject(architecture, task).model
        report = check(folder, model, task, opset=18, requirements=[requirement])
        return report.record(requirement)

    return run


@pytest.fixture
def check_edited(
    exported: Callable[..., Path], subject: Callable[..., Any], tmp_path: Path
) -> Callable[..., CellReport]:
    """Judge an edited copy of bert's correct file, against another `model` if one is given."""

    def run(edit: Callable[[onnx.ModelProto], None], **options: Any) -> CellReport:
        task = "text-classification"
        proto = onnx.load(exported("bert", task))
        edit(proto)
        path = tmp_path / "edited.onnx"
        onnx.save(proto, path)
        model = options.pop("model", subject("bert", task).model)
        return check(path, model, task, opset=18, **options)

    return run


@pytest.fixture
def with_data(exported: Callable[..., Path], tmp_path: Path) -> Path:
    """A correct file with its weights in `model.data`, in a folder of its own."""
    path = tmp_path / "inside" / "model.onnx"
    path.parent.mkdir()
    onnx.save(
        onnx.load(exported("bert", "text-classification")),
        path,
        save_as_external_data=True,
        location="model.data",
        size_threshold=64,
    )
    return path


class _Faulty(FlatModel):
    """Returns the outputs that a fault computes with the correct model."""

    def __init__(self, model: FlatModel, config: OnnxConfig, fault: Fault) -> None:
        super().__init__(model.model, config)
        self.correct = model
        self.fault = fault

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs = self.fault(self._run, dict(zip(self.input_names, tensors, strict=True)))
        return tuple(outputs[name] for name in self.output_names)

    def _run(self, named: Named) -> Named:
        outputs = self.correct(*(named[name] for name in self.input_names))
        return dict(zip(self.output_names, outputs, strict=True))


class _FaultyExporter(TorchScriptExporter):
    name = "faulty"
    opsets = (18,)

    def __init__(self, fault: Fault) -> None:
        self.fault = fault

    def write(self, model: FlatModel, tensors: Any, target: Target) -> None:
        super().write(_Faulty(model, target.config, self.fault), tensors, target)


@pytest.fixture
def judge_fault() -> Callable[..., CellReport]:
    """Judge `architecture/task` as a faulty exporter writes it, by all requirements or some."""

    def judge(cell: str, fault: Fault, *requirements: str) -> CellReport:
        register_exporter(_FaultyExporter(fault))
        planned = requirements or None
        named = CellId.parse(f"{cell}/opset18/faulty")
        return judge_cell(named, requirements=planned, profile="smoke")

    return judge


@pytest.fixture
def failed() -> Callable[[CellReport], list[str]]:
    """Return a function that lists the requirements that did not pass, in ladder order."""
    harmless = {Outcome.PASSED, Outcome.NOT_APPLICABLE}
    return lambda report: [r.requirement for r in report.records if r.outcome not in harmless]
