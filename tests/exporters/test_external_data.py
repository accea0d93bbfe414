"""External data: its location, its verdict, and the findings if it is damaged."""

from __future__ import annotations

import copy
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx.external_data_helper import ExternalDataInfo, uses_external_data
from torch import nn

from harness import (
    Artifact,
    CellId,
    OnnxConfig,
    Outcome,
    check,
    export,
    judge_cell,
    register_exporter,
)
from harness.cli import main
from harness.exporters import get_exporter
from harness.exporters._external_data import gather_weights
from tests.judging_here import judge_here

GPT2 = ("gpt2", "text-generation-with-past")
T5 = ("t5", "text2text-generation-with-past")
EXPORTERS = ("torchscript", "dynamo")
THRESHOLD = 128


@dataclass(frozen=True, slots=True)
class Exported:
    """A tiny model and the folder into which it was exported with external data."""

    model: Any
    task: str
    folder: Path

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.onnx"))


@pytest.fixture(scope="module")
def exported_with_data(
    subject: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Exported]:
    """Export a subject once, at opset 18 with external data; tests must not edit the folder."""
    made: dict[tuple[str, ...], Exported] = {}

    def make(architecture: str, task: str, exporter: str) -> Exported:
        key = (architecture, task, exporter)
        if key not in made:
            one, folder = subject(architecture, task), tmp_path_factory.mktemp("exported")
            config = with_threshold(one.config, THRESHOLD)
            export(one.model, config, folder, opset=18, exporter=exporter)
            made[key] = Exported(one.model, task, folder)
        return made[key]

    return make


def with_threshold(config: OnnxConfig, threshold: int) -> OnnxConfig:
    copied = copy.copy(config)
    copied.external_data_threshold = threshold
    return copied


def outside(file: Path) -> Mapping[str, ExternalDataInfo]:
    """Name -> location of each initializer that is stored as external data."""
    return {tensor.name: ExternalDataInfo(tensor) for tensor in tensors(file, is_outside=True)}


def tensors(file: Path, *, is_outside: bool) -> Iterator[onnx.TensorProto]:
    for tensor in onnx.load(file, load_external_data=False).graph.initializer:
        if uses_external_data(tensor) is is_outside:
            yield tensor


CELLS = [(*model, exporter) for model in (GPT2, T5) for exporter in EXPORTERS]


@pytest.mark.parametrize(
    ("architecture", "task", "exporter"),
    [
        (*GPT2, "torchscript"),
        *(pytest.param(*cell, marks=pytest.mark.full) for cell in CELLS if cell[2] == "dynamo"),
        pytest.param(*T5, "torchscript", marks=pytest.mark.full),
    ],
)
def test_the_cells_of_the_variants_conform(architecture: str, task: str, exporter: str) -> None:
    cell = CellId.parse(f"{architecture}~external-data/{task}/opset18/{exporter}")
    report = judge_cell(cell, profile="smoke")
    assert report.conforms, [record.message for record in report.records]


@pytest.mark.gate_cases(1)
@pytest.mark.parametrize("exporter", EXPORTERS)
def test_the_data_file_holds_the_weights(
    exporter: str, exported_with_data: Callable[..., Exported]
) -> None:
    done = exported_with_data(*GPT2, exporter)
    assert {path.name for path in done.folder.iterdir()} == {"model.onnx", "model.onnx.data"}
    (file,) = done.files
    lengths = [info.length or 0 for info in outside(file).values()]
    data = file.with_name("model.onnx.data")
    assert min(lengths) >= THRESHOLD
    assert data.stat().st_size == sum(lengths)
    weights = sum(p.numel() * p.element_size() for p in done.model.parameters())
    assert data.stat().st_size > 0.9 * weights
    assert max(len(tensor.raw_data) for tensor in tensors(file, is_outside=False)) < THRESHOLD


@pytest.mark.gate_cases(1)
@pytest.mark.parametrize(
    ("architecture", "task", "exporter"), [(*T5, "torchscript"), (*GPT2, "dynamo")]
)
def test_each_file_has_its_own_data_file(
    architecture: str, task: str, exporter: str, exported_with_data: Callable[..., Exported]
) -> None:
    done = exported_with_data(architecture, task, exporter)
    for file in done.files:
        assert {info.location for info in outside(file).values()} == {f"{file.name}.data"}
    assert len(list(done.folder.iterdir())) == 2 * len(done.files)


@pytest.mark.parametrize(("threshold", "is_outside"), [(8560, True), (8561, False)])
def test_the_threshold_is_exact(
    threshold: int, is_outside: bool, subject: Callable[..., Any], tmp_path: Path
) -> None:
    one = subject(*GPT2)
    table = one.model.transformer.wte.weight
    assert table.numel() * table.element_size() == 8560
    config = with_threshold(one.config, threshold)
    export(one.model, config, tmp_path, opset=18, exporter="torchscript")
    assert [info.length for info in outside(tmp_path / "model.onnx").values()] == (
        [8560, 8560] if is_outside else []  # the embedding, and the head that shares it
    )
    assert (tmp_path / "model.onnx.data").exists() is is_outside


@pytest.mark.gate_cases(1)
@pytest.mark.parametrize("exporter", EXPORTERS)
def test_without_a_threshold_a_small_model_is_one_file(
    exporter: str, subject: Callable[..., Any], tmp_path: Path
) -> None:
    one = subject(*GPT2)
    export(one.model, one.config, tmp_path, opset=18, exporter=exporter)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_a_second_export_replaces_the_data_of_the_first(
    subject: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run in the output folder, where the location of the data is an existing path for onnx."""
    one = subject(*GPT2)
    config = with_threshold(one.config, THRESHOLD)
    monkeypatch.chdir(tmp_path)
    sizes = []
    for _ in range(2):
        export(one.model, config, ".", opset=18, exporter="torchscript")
        sizes.append(Path("model.onnx.data").stat().st_size)
    assert sizes[0] == sizes[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx", "model.onnx.data"]


def test_two_files_in_one_folder_keep_their_own_data(
    subject: Callable[..., Any], tmp_path: Path
) -> None:
    one = subject(*GPT2)
    config = with_threshold(one.config, THRESHOLD)
    other = copy.deepcopy(one.model)
    with torch.no_grad():
        other.transformer.wpe.weight.neg_()
    for name, model in {"one": one.model, "other": other}.items():
        export(model, config, tmp_path / f"{name}.onnx", opset=18, exporter="torchscript")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("one.onnx", "one.onnx.data"),
        *("other.onnx", "other.onnx.data"),
    ]
    for name, model in {"one": one.model, "other": other}.items():
        named = ["checker", "weights", "agreement"]
        path = tmp_path / f"{name}.onnx"
        report = check(path, model, GPT2[1], opset=18, profile="smoke", requirements=named)
        assert report.conforms, [record.message for record in report.records]


def test_data_in_many_files_is_gathered(exported: Callable[..., Path], tmp_path: Path) -> None:
    """TorchScript writes one file for each weight of a model over 2 GiB.

    The files of several parts would overwrite each other.
    """
    path = tmp_path / "model.onnx"
    whole = onnx.load(exported("bert", "fill-mask"))
    scattered = copy.deepcopy(whole)
    onnx.save(
        scattered, path, save_as_external_data=True, all_tensors_to_one_file=False, size_threshold=0
    )
    assert len(list(tmp_path.iterdir())) > 10
    gather_weights(path, None)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.onnx", "model.onnx.data"]
    assert set(outside(path)) == {tensor.name for tensor in whole.graph.initializer}
    assert weights_of(onnx.load(path)) == weights_of(whole)


def weights_of(model: onnx.ModelProto) -> Mapping[str, bytes]:
    return {tensor.name: tensor.raw_data for tensor in model.graph.initializer}


def remove(data: Path) -> None:
    data.unlink()


def truncate(data: Path) -> None:
    data.write_bytes(data.read_bytes()[:-4])


def change_one_weight(data: Path) -> None:
    weights = np.fromfile(data, dtype=np.float32)
    weights[0] += 1
    weights.tofile(data)


# Edit of the data -> pattern of the output of `check`.
DAMAGES = [
    (remove, r"checker failed in .*\n.*model\.onnx\.data, but it"),
    (truncate, r"(weights|agreement) failed in .*\n.*(truncated|can not be read in full)"),
    (change_one_weight, r"agreement failed in .*\n.*got max_abs_diff"),
]


@pytest.fixture
def check_after(
    exported_with_data: Callable[..., Exported],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., tuple[int, str]]:
    """Run `check` on a copy whose first data file was edited; return exit status and output."""

    monkeypatch.setattr("harness.cli.judging.judge_files", judge_here)

    def run(architecture: str, task: str, edit: Callable[[Path], None]) -> tuple[int, str]:
        done = exported_with_data(architecture, task, "torchscript")
        done.model.save_pretrained(tmp_path / "model")
        folder = shutil.copytree(done.folder, tmp_path / "copy")
        edit(folder / f"{done.files[0].name}.data")
        capfd.readouterr()
        command = ["check", str(folder), "--model", str(tmp_path / "model"), "--task", task]
        status = main([*command, "--opset", "18", "--profile", "smoke"])
        return status, "".join(capfd.readouterr())

    return run


@pytest.mark.parametrize(
    ("architecture", "task"), [GPT2, pytest.param(*T5, marks=pytest.mark.full)]
)
def test_a_folder_that_was_moved_is_judged_whole(
    architecture: str, task: str, check_after: Callable[..., tuple[int, str]]
) -> None:
    status, printed = check_after(architecture, task, lambda data: None)
    assert status == 0, printed


@pytest.mark.gate_cases(2)
@pytest.mark.parametrize(("edit", "finding"), DAMAGES)
@pytest.mark.parametrize(
    ("architecture", "task"), [GPT2, pytest.param(*T5, marks=pytest.mark.full)]
)
def test_damage_to_the_data_gets_a_verdict(
    architecture: str,
    task: str,
    edit: Callable[[Path], None],
    finding: str,
    check_after: Callable[..., tuple[int, str]],
) -> None:
    status, printed = check_after(architecture, task, edit)
    assert status == 1, printed
    assert re.search(finding, printed), printed
    assert "Traceback" not in printed


def test_an_exporter_that_keeps_the_weights_inside_fails_export() -> None:
    class Inside:
        name = "inside"
        opsets = (18,)

        def export(self, model: nn.Module, config: Any, opset: int, output: Path) -> Artifact:
            unaware = copy.copy(config)
            unaware.external_data_threshold = None
            return get_exporter("torchscript").export(model, unaware, opset, output)

    register_exporter(Inside())
    cell = CellId.parse(f"gpt2~external-data/{GPT2[1]}/opset18/inside")
    (first,) = judge_cell(cell, profile="smoke", requirements=["export"]).records
    assert (first.requirement, first.outcome) == ("export", Outcome.FAILED)
    assert "of at least 128 bytes inside the file, such as model.transformer.wte.weight" in (
        first.message
    )
