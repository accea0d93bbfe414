"""A merged decoder is judged as the parts that it stands for, each by its branch."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from harness import CellReport, Outcome, Record, check, export
from harness.configs.own_positions import with_own_positions
from harness.evidence.onnx_file import parse_onnx
from harness.evidence.tensors import stored_tensors
from tests.gate import full
from tests.merging import MERGED, merge_decoders, merge_folder, without_past

SEQ2SEQ = "text2text-generation-with-past"
CAUSAL = "text-generation-with-past"
PARTS = ("encoder_model", "decoder_model", "decoder_with_past_model")

Edit = Callable[[onnx.ModelProto], None]


@pytest.fixture(scope="module")
def parts(
    subject: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Return the folder of a correct export in three files, made once; do not edit it."""
    made: dict[str, Path] = {}

    def make(architecture: str) -> Path:
        if architecture not in made:
            made[architecture] = tmp_path_factory.mktemp(architecture)
            one = subject(architecture, SEQ2SEQ)
            export(one.model, one.config, made[architecture], opset=18, exporter="torchscript")
        return made[architecture]

    return make


@pytest.fixture
def folder(parts: Callable[[str], Path], tmp_path: Path) -> Callable[..., Path]:
    """Return a function that copies the three files, edits some and merges the decoders."""

    def make(architecture: str = "t5", *, is_swapped: bool = False, **edits: Edit) -> Path:
        copy = Path(shutil.copytree(parts(architecture), tmp_path / "merged"))
        for stem, edit in edits.items():
            _edit(copy / f"{stem}.onnx", edit)
        merge_folder(copy, is_swapped=is_swapped)
        return copy

    return make


@pytest.fixture
def gpt2(exported: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Return a function that merges GPT-2 with and without a past, of edited files."""

    def make(
        first: Edit = lambda m: None,
        following: Edit = lambda m: None,
        *,
        is_swapped: bool = False,
    ) -> Path:
        files = [onnx.load(exported("gpt2", CAUSAL)) for _ in range(2)]
        first(files[0])
        following(files[1])
        merged = merge_decoders(without_past(files[0]), files[1], is_swapped=is_swapped)
        onnx.save(merged, tmp_path / MERGED)
        return tmp_path

    return make


@pytest.fixture
def judge(subject: Callable[..., Any]) -> Callable[..., CellReport]:
    def run(folder: Path, architecture: str = "t5", *requirements: str) -> CellReport:
        task = CAUSAL if architecture == "gpt2" else SEQ2SEQ
        model, chosen = subject(architecture, task).model, requirements or None
        return check(folder, model, task, profile="smoke", requirements=chosen)

    return run


def _edit(path: Path, edit: Edit) -> None:
    model = onnx.load(path)
    edit(model)
    onnx.save(model, path)


def _scale_a_weight(model: onnx.ModelProto) -> None:
    matrix = next(t for t in model.graph.initializer if len(t.dims) == 2)
    scaled = numpy_helper.to_array(matrix) * np.float32(1.1)
    matrix.CopyFrom(numpy_helper.from_array(scaled, matrix.name))


def _ignore_the_past(model: onnx.ModelProto) -> None:
    """Let every node read zeros in place of the keys and values of earlier tokens."""
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.float32(0), "nothing"))
    pasts = [
        v.name for v in graph.input if v.name.startswith("past_") and ".encoder." not in v.name
    ]
    for node in graph.node:
        node.input[:] = [f"{name}.zeros" if name in pasts else name for name in node.input]
    for name in pasts:
        zeros = onnx.helper.make_node("Mul", [name, "nothing"], [f"{name}.zeros"])
        graph.node.insert(0, zeros)


def _assert_conforms(report: CellReport) -> None:
    assert report.conforms, [(r.requirement, r.message) for r in report.records]


def _assert_refused(record: Record, part: str) -> None:
    assert record.outcome is Outcome.FAILED, record
    assert record.part == part


@full
@pytest.mark.parametrize("architecture", ["t5", "bart"])
def test_a_merged_decoder_conforms_as_the_two_parts_that_it_stands_for(
    architecture: str, folder: Callable[..., Path], judge: Callable[..., CellReport]
) -> None:
    report = judge(folder(architecture), architecture)
    _assert_conforms(report)
    assert report.scope is not None
    assert report.scope.judged == ("encoder_model.onnx", MERGED)
    assert report.scope.left_out == ()


def test_what_a_merged_decoder_has_for_its_other_branch_is_a_note(
    folder: Callable[..., Path], judge: Callable[..., CellReport]
) -> None:
    report = judge(folder(), "t5", "interface", "dynamic-axes")
    _assert_conforms(report)
    first, following = report.record("interface").message.splitlines()
    assert first.startswith("decoder_model: got a branch of a merged decoder")
    assert "the inputs past_key_values.0.decoder.key and 8 more; " in first
    assert "the inputs encoder_hidden_states and 1 more and the outputs present.0.enc" in following


def test_the_weights_of_a_merged_decoder_count_once(
    folder: Callable[..., Path], judge: Callable[..., CellReport]
) -> None:
    merged = folder()
    tensors = [t for file in merged.iterdir() for t in stored_tensors(parse_onnx(file))]
    note = judge(merged, "t5", "weights").record("weights").message
    assert f"got {sum(tensor.nbytes for tensor in tensors)} bytes, " in note


def test_a_merged_decoder_without_an_encoder_conforms_as_one_part(
    gpt2: Callable[..., Path], judge: Callable[..., CellReport]
) -> None:
    report = judge(gpt2(), "gpt2")
    _assert_conforms(report)
    assert report.scope is not None
    assert report.scope.judged == (MERGED,)


@full
def test_a_merged_decoder_may_count_positions_itself_as_other_files_may(
    subject: Callable[..., Any], tmp_path: Path
) -> None:
    one = subject("llama", CAUSAL)
    config = with_own_positions(one.config)
    export(one.model, config, tmp_path, opset=18, exporter="torchscript")
    first, following = (onnx.load(tmp_path / "model.onnx") for _ in range(2))
    (tmp_path / "model.onnx").unlink()
    onnx.save(merge_decoders(without_past(first), following), tmp_path / MERGED)
    chosen = ["interface", "agreement", "cache"]
    report = check(tmp_path, one.model, CAUSAL, requirements=chosen, profile="smoke")
    _assert_conforms(report)
    assert "position_ids: got none, expected one" in report.record("interface").message


@full
@pytest.mark.parametrize("stem", PARTS[1:])
def test_another_weight_in_one_branch_is_refused_as_of_its_part(
    stem: str, folder: Callable[..., Path], judge: Callable[..., CellReport]
) -> None:
    report = judge(folder(**{stem: _scale_a_weight}), "t5", "agreement")
    _assert_refused(report.record("agreement"), stem)


@full
def test_branches_in_each_others_place_are_refused(
    folder: Callable[..., Path], judge: Callable[..., CellReport]
) -> None:
    report = judge(folder(is_swapped=True), "t5", "agreement")
    _assert_refused(report.record("agreement"), "decoder_model")


@full
def test_a_branch_that_ignores_the_past_is_refused(
    folder: Callable[..., Path], judge: Callable[..., CellReport]
) -> None:
    faulty = folder(decoder_with_past_model=_ignore_the_past)
    report = judge(faulty, "t5", "agreement", "sensitivity")
    _assert_refused(report.record("agreement"), "decoder_with_past_model")
    _assert_refused(report.record("sensitivity"), "decoder_with_past_model")


@full
def test_a_first_branch_that_reads_the_unused_past_is_refused(
    folder: Callable[..., Path], judge: Callable[..., CellReport]
) -> None:
    def read(model: onnx.ModelProto) -> None:
        past = "past_key_values.0.decoder.key"
        graph = model.graph
        (last,) = [node for node in graph.node if "logits" in node.output]
        last.output[list(last.output).index("logits")] = "logits.before"
        axes = numpy_helper.from_array(np.array([1, 2, 3]), "all")
        graph.initializer.append(axes)
        graph.node.extend(
            [
                onnx.helper.make_node("ReduceMean", [past, "all"], ["mean"], keepdims=0),
                onnx.helper.make_node("Unsqueeze", ["mean", "last"], ["mean.row"]),
                onnx.helper.make_node("Add", ["logits.before", "mean.row"], ["logits"]),
            ]
        )
        graph.initializer.append(numpy_helper.from_array(np.array([1, 2]), "last"))

    report = judge(folder(decoder_model=read), "t5", "agreement")
    _assert_refused(report.record("agreement"), "decoder_model")


@pytest.mark.parametrize(
    "edits",
    [
        pytest.param({"following": _ignore_the_past}, id="past ignored"),
        pytest.param({"first": _scale_a_weight}, id="another weight without a past"),
        pytest.param({"following": _scale_a_weight}, id="another weight with a past", marks=full),
        pytest.param({"is_swapped": True}, id="branches exchanged"),
    ],
)
def test_a_wrong_branch_of_a_decoder_without_an_encoder_is_refused(
    edits: dict[str, Any], gpt2: Callable[..., Path], judge: Callable[..., CellReport]
) -> None:
    _assert_refused(judge(gpt2(**edits), "gpt2", "agreement").record("agreement"), "model")
