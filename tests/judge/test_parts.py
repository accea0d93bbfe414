"""Cells of several files: each part is compared with eager's own module, and all of them together
with the full eager model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from harness import (
    CellId,
    CellReport,
    Outcome,
    Record,
    T5OnnxConfig,
    UsageError,
    check,
    export,
    judge_cell,
    register,
    register_exporter,
)
from harness.configs.task_table import Axes
from harness.evidence.reference import call_reference
from harness.evidence.tolerance import Tolerance
from harness.exporters._torch import Target
from harness.exporters._wrapper import FlatModel, export_copy
from harness.exporters.torchscript import TorchScriptExporter
from harness.requirements.shared.comparison import compare

TASK = "text2text-generation-with-past"
PARTS = ("encoder_model", "decoder_model", "decoder_with_past_model")
TOGETHER = " + ".join(PARTS)


@pytest.fixture(scope="module")
def folder(subject: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a correct export of T5; tests must not edit it."""
    output = tmp_path_factory.mktemp("t5")
    one = subject("t5", TASK)
    export(one.model, one.config, output, opset=18, exporter="torchscript")
    return output


@pytest.fixture
def edited(folder: Path, tmp_path: Path) -> Path:
    """Return a copy of `folder` that a test may edit."""
    return Path(shutil.copytree(folder, tmp_path / "edited"))


def _check(folder: Path, subject: Callable[..., Any], *requirements: str) -> CellReport:
    """Judge by these requirements, or by all."""
    model, chosen = subject("t5", TASK).model, requirements or None
    return check(folder, model, TASK, opset=18, profile="smoke", requirements=chosen)


def _agreement_of(exporter: str) -> Record:
    cell = CellId.parse(f"t5/{TASK}/opset18/{exporter}")
    return judge_cell(cell, profile="smoke", requirements=["agreement"]).record("agreement")


def _record(report: CellReport, requirement: str) -> Record:
    return next(record for record in report.records if record.requirement == requirement)


def _shift_a_weight(path: Path) -> None:
    """Add 0.1 to the first matrix of a file."""
    model = onnx.load(path)
    matrix = next(t for t in model.graph.initializer if len(t.dims) == 2)
    matrix.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(matrix) + 0.1, matrix.name))
    onnx.save(model, path)


def test_export_writes_every_part_and_names_what_they_take_and_give(
    folder: Path, subject: Callable[..., Any]
) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{p}.onnx" for p in PARTS)
    for stem, part in subject("t5", TASK).config.parts.items():
        graph = onnx.load(folder / f"{stem}.onnx").graph
        assert [value.name for value in graph.input] == list(part.inputs)
        assert [value.name for value in graph.output] == list(part.outputs)


def test_a_folder_of_parts_conforms_and_has_one_record_for_each_requirement(
    folder: Path, subject: Callable[..., Any]
) -> None:
    report = _check(folder, subject)
    assert report.conforms, report
    assert len({record.requirement for record in report.records}) == len(report.records)
    assert _record(report, "agreement").part in {*PARTS, TOGETHER}


@pytest.mark.parametrize(
    "stem", [PARTS[-1], *(pytest.param(stem, marks=pytest.mark.full) for stem in PARTS[:-1])]
)
def test_a_fault_in_one_part_is_found_and_the_part_named(
    stem: str, edited: Path, subject: Callable[..., Any]
) -> None:
    _shift_a_weight(edited / f"{stem}.onnx")
    record = _check(edited, subject, "agreement").record("agreement")
    assert record.outcome is Outcome.FAILED
    assert record.part == stem
    assert record.message is not None
    assert record.message.startswith(f"{stem}: values of ")


@pytest.mark.parametrize("stem", PARTS)
def test_a_missing_part_does_not_conform(
    stem: str, edited: Path, subject: Callable[..., Any]
) -> None:
    (edited / f"{stem}.onnx").unlink()
    report = _check(edited, subject)
    assert not report.conforms
    assert stem in str(_record(report, "export").message)


def test_a_merged_decoder_without_branches_in_place_of_the_parts_is_no_fault_of_an_exporter(
    edited: Path, subject: Callable[..., Any]
) -> None:
    for stem in PARTS[1:]:
        (edited / f"{stem}.onnx").rename(edited / "decoder_model_merged.onnx")
    report = _check(edited, subject)
    record = _record(report, "export")
    assert not report.conforms
    assert (record.outcome, record.blame) == (Outcome.INCONCLUSIVE, None)
    assert "decoder_model_merged.onnx (a merged decoder without the input" in record.message
    assert {r.outcome for r in report.records[1:]} == {Outcome.SKIPPED}


def test_a_merged_decoder_beside_the_parts_is_left_out(
    edited: Path, subject: Callable[..., Any]
) -> None:
    (edited / "decoder_model_merged.onnx").write_bytes(b"broken")
    report = check(edited, subject("t5", TASK).model, TASK, requirements=["opset"])
    assert report.conforms
    assert report.scope is not None
    assert report.scope.judged == tuple(f"{stem}.onnx" for stem in PARTS)
    assert [left.file for left in report.scope.left_out] == ["decoder_model_merged.onnx"]


def test_one_file_of_several_is_no_export(folder: Path, subject: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match="give their folder"):
        _check(folder / "encoder_model.onnx", subject)


class _Unmasked(T5OnnxConfig):
    """A wrong description: the decoder has no mask over the encoder's output.

    Each part is right on its own, because eager is called without the mask too.
    """

    @property
    def encoder_mask(self) -> Mapping[str, Axes]:
        return {}


def test_parts_that_are_right_alone_and_wrong_together_are_refused() -> None:
    register("t5", tasks=[TASK])(_Unmasked)
    record = _agreement_of("torchscript")
    assert record.outcome is Outcome.FAILED
    assert record.part == TOGETHER
    assert record.failing is not None
    assert record.failing.axes["encoder_sequence_length"] > 1


class _CrossedCache(FlatModel):
    """Swaps the encoder's keys and values in the cache."""

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        named = dict(zip(self.input_names, tensors, strict=True))
        other = {"encoder.key": "encoder.value", "encoder.value": "encoder.key"}
        crossed = []
        for name in named:
            layer, kind = name.rsplit(".", 2)[0], ".".join(name.rsplit(".", 2)[1:])
            crossed.append(named[f"{layer}.{other[kind]}" if kind in other else name])
        return super().forward(*crossed)


class _CrossingExporter(TorchScriptExporter):
    name = "crossing"
    opsets = (18,)

    def write(self, model: FlatModel, tensors: Any, target: Target) -> None:
        if any(name.startswith("past") for name in model.input_names):
            model = _CrossedCache(model.model, target.config)
        super().write(model, tensors, target)


def test_an_exporter_that_crosses_the_cache_of_the_encoder_is_refused() -> None:
    register_exporter(_CrossingExporter())
    record = _agreement_of("crossing")
    assert record.outcome is Outcome.FAILED
    assert record.part == "decoder_with_past_model"


@pytest.mark.parametrize("past", [0, 1, 6])
@pytest.mark.parametrize("architecture", ["bart", "t5", "whisper"])
def test_wrapper_and_reference_agree_on_every_part(
    architecture: str, past: int, subject: Callable[..., Any]
) -> None:
    one = subject(architecture, "feature-extraction-with-past")
    for part in one.config.parts.values():
        axes = {n: past for n in part.axis_space.ranges if n.startswith("past")}
        feed = part.generate_dummy_inputs(**axes)
        reference = call_reference(one.model, part, feed)
        flat = FlatModel(export_copy(one.model), part)
        with torch.no_grad():
            tensors = flat(*feed.values())
        wrapped = {n: t.numpy() for n, t in zip(flat.output_names, tensors, strict=True)}
        assert compare(reference, wrapped, Tolerance.stated(1e-6)).findings == ()
        assert all(np.isfinite(array).all() for array in reference.values())
