"""Opsets of a model share work, and each file is the same as from the plain call."""

from __future__ import annotations

import copy
import gc
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

import harness.judge.cell
from harness import Exporter, OnnxConfig, SharedWork, export, judge_cell
from harness.evidence.isomorphism import graph_differences
from harness.evidence.onnx_file import graph_inputs, graph_outputs, parse_whole
from harness.exporters import get_exporter
from harness.exporters._decompositions import _Decomposition
from harness.exporters._sharing import SharedTraces, with_shared_traces
from harness.judge.cell import _checks_sharing, make_request
from harness.records import CellId
from tests.exporters.small_model import small_subject

Subjects = Callable[[str, str], Any]


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the list of programs that torch.export makes while a test runs."""
    made: list[Any] = []
    plain = torch.export.export

    def counted(*args: Any, **keywords: Any) -> Any:
        made.append(plain(*args, **keywords))
        return made[-1]

    monkeypatch.setattr(torch.export, "export", counted)
    return made


def shared(traces: SharedTraces, exporter: str = "dynamo") -> Exporter:
    return with_shared_traces(get_exporter(exporter), traces)


def write(exporter: Exporter, one: Any, opset: int, folder: Path) -> dict[str, onnx.ModelProto]:
    """Export a subject and return its files, by part."""
    artifact = exporter.export(one.model, one.config, opset, folder)
    return {stem: parse_whole(path) for stem, path in artifact.parts.items()}


def assert_same(got: dict[str, onnx.ModelProto], expected: dict[str, onnx.ModelProto]) -> None:
    """Compare operators, attributes, connections, initializer bytes, domains and interface."""
    assert list(got) == list(expected)
    for stem in got:
        one, other = got[stem], expected[stem]
        assert list(graph_differences(one, other)) == []
        assert sorted(_initializers(one)) == sorted(_initializers(other))
        assert _domains(one) == _domains(other)
        assert graph_inputs(one) == graph_inputs(other)
        assert graph_outputs(one) == graph_outputs(other)
        assert not one.functions
        assert not other.functions


def _initializers(model: onnx.ModelProto) -> Iterator[tuple[str, tuple[int, ...], bytes]]:
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        yield str(array.dtype), array.shape, array.tobytes()


def _domains(model: onnx.ModelProto) -> dict[str, int]:
    return {entry.domain: entry.version for entry in model.opset_import}


VIT = ("vit", "image-classification")
"""The quickest to trace and translate."""

FEW = [
    ("dynamo", *VIT, (18, 23)),
    ("dynamo", "bert", "fill-mask", (18, 23)),
    ("dynamo", "llama", "text-generation-with-past", (24, 17)),
    ("dynamo", "t5", "text2text-generation", (23, 20)),
    ("transformers", "gpt2", "text-generation-with-past", (23, 17)),
]
OPSETS = [(17, 18, 20, 21, 23, 24, 25), (25, 18, 24, 17, 23, 20, 21)]
MANY = [
    (exporter, architecture, task, opsets)
    for exporter in ("dynamo", "transformers")
    for architecture, task in [
        ("bert", "fill-mask"),
        ("gpt2", "text-generation-with-past"),
        ("llama", "text-generation-with-past"),
        ("t5", "text2text-generation-with-past"),
        ("bart", "text-classification"),
        ("clip", "zero-shot-image-classification"),
        ("whisper", "automatic-speech-recognition-with-past"),
    ]
    for opsets in OPSETS
]


@pytest.mark.parametrize(
    ("exporter", "architecture", "task", "opsets"),
    [
        FEW[0],
        *(pytest.param(*few, marks=pytest.mark.full) for few in FEW[1:]),
        *(pytest.param(*many, marks=pytest.mark.nightly) for many in MANY),
    ],
)
def test_every_opset_gets_the_file_of_the_plain_call_from_one_trace(
    exporter: str,
    architecture: str,
    task: str,
    opsets: tuple[int, ...],
    subject: Subjects,
    traces: list[Any],
    tmp_path: Path,
) -> None:
    one = subject(architecture, task)
    sharer = shared(SharedTraces(), exporter)
    files = [write(sharer, one, opset, tmp_path) for opset in opsets]
    assert len(traces) == len(one.config.parts)
    for opset, written in zip(opsets, files, strict=True):
        assert_same(written, write(get_exporter(exporter), one, opset, tmp_path))


def test_exporters_do_not_share_a_trace(traces: list[Any], tmp_path: Path) -> None:
    one, kept = small_subject(), SharedTraces()
    for exporter in ("dynamo", "transformers", "dynamo"):
        write(shared(kept, exporter), one, 18, tmp_path)
    assert len(traces) == 2


def test_a_weight_that_is_changed_in_place_is_in_the_next_file(tmp_path: Path) -> None:
    one = small_subject()
    exporter = shared(SharedTraces())
    write(exporter, one, 18, tmp_path)
    with torch.no_grad():
        one.model.classifier.bias[2] = 0.123
    got = write(exporter, one, 20, tmp_path)
    changed = np.float32(0.123).tobytes()
    assert any(changed in data for *_, data in _initializers(got["model"]))
    assert_same(got, write(get_exporter("dynamo"), one, 20, tmp_path))


def test_a_later_change_of_a_model_does_not_change_files_of_others(tmp_path: Path) -> None:
    first = small_subject()
    second = copy.deepcopy(first)
    exporter = shared(SharedTraces())
    write(exporter, first, 18, tmp_path)
    with torch.no_grad():
        for parameter in first.model.parameters():
            parameter.zero_()
    got = write(exporter, second, 18, tmp_path)
    assert_same(got, write(get_exporter("dynamo"), second, 18, tmp_path))


def test_other_export_sizes_need_another_trace(traces: list[Any], tmp_path: Path) -> None:
    one = small_subject()
    config: OnnxConfig = one.config
    other = config.exported_at(config.axis_space.other_export_sizes)
    exporter = shared(SharedTraces())
    for opset in (18, 20):
        exporter.export(one.model, config, opset, tmp_path)
        exporter.export(one.model, other, opset, tmp_path)
    assert len(traces) == 2


def test_old_traces_are_freed(traces: list[Any], tmp_path: Path) -> None:
    exporter = shared(SharedTraces(capacity=1))
    write(exporter, small_subject(), 18, tmp_path)
    program = weakref.ref(traces.pop())
    gc.collect()
    assert program() is not None
    write(exporter, small_subject(), 18, tmp_path)
    gc.collect()
    assert program() is None


def test_large_models_are_not_kept(traces: list[Any], tmp_path: Path) -> None:
    one = small_subject()
    exporter = shared(SharedTraces(largest_model=10))
    for _ in range(2):
        write(exporter, one, 18, tmp_path)
    assert len(traces) == 2


def test_a_single_export_shares_nothing(traces: list[Any], tmp_path: Path) -> None:
    one = small_subject()
    write(shared(SharedTraces()), one, 18, tmp_path)
    for _ in range(2):
        export(one.model, one.config, tmp_path, opset=18, exporter="dynamo")
    assert len(traces) == 3


@pytest.mark.full
def test_judging_with_shared_work_gives_the_same_records(traces: list[Any]) -> None:
    cells = [CellId.parse(f"vit/image-classification/opset{opset}/dynamo") for opset in (18, 23)]
    requirements = ["export", "opset", "interface", "weights", "agreement", "baked-sizes"]
    alone = [_outcomes(cell, requirements, None) for cell in cells]
    traces.clear()
    work = SharedWork()
    assert [_outcomes(cell, requirements, work) for cell in cells] == alone
    assert len(traces) == 2  # one from each set of sizes


def _outcomes(cell: CellId, requirements: list[str], work: SharedWork | None) -> list[Any]:
    report = judge_cell(cell, requirements=requirements, profile="nightly", work=work)
    return [(record.requirement, record.outcome, record.worst) for record in report.records]


class Stale(SharedTraces):
    """Returns the trace of another model."""

    def get_program(self, model: Any, *rest: Any, **named: Any) -> Any:
        other = copy.deepcopy(model)
        other.model.classifier.bias.zero_()
        return super().get_program(other, *rest, **named)


@pytest.mark.gate_cases(1)
@pytest.mark.parametrize(
    ("work", "outcome"), [(SharedWork(Stale()), "errored"), (SharedWork(), "passed")]
)
def test_a_nightly_run_compares_some_shared_files_with_the_plain_ones(
    work: SharedWork, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness.judge.cell, "CELLS_PER_SHARING_CHECK", 1)
    cell = CellId.parse("vit/image-classification/opset18/dynamo")
    (record,) = judge_cell(cell, requirements=["export"], profile="nightly", work=work).records
    assert record.outcome == outcome
    assert ("with shared work" in record.message) == (outcome == "errored")


def test_about_one_in_fifty_cells_is_compared_and_the_seed_chooses_them() -> None:
    cells = [
        CellId.parse(f"vit/image-classification/opset{opset}/dynamo") for opset in range(9, 26)
    ]
    compared = {
        (seed, cell.opset)
        for seed in range(60)
        for cell in cells
        if _checks_sharing(make_request(cell, requirements=None, profile="nightly", seed=seed))
    }
    assert 5 <= len(compared) <= 50
    assert len({opset for _, opset in compared}) > 3
    request = make_request(cells[0], requirements=None, profile="pr", seed=0)
    assert not any(_checks_sharing(replace(request, seed=seed)) for seed in range(200))


@pytest.mark.parametrize(
    "exporter", ["dynamo", pytest.param("transformers", marks=pytest.mark.full)]
)
def test_if_sharing_fails_the_file_is_the_plain_one(
    exporter: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: Any) -> None:
        raise TypeError("torch has changed")

    monkeypatch.setattr(_Decomposition, "copy_for_export", refuse)
    one = small_subject()
    got = write(shared(SharedTraces(), exporter), one, 18, tmp_path)
    assert_same(got, write(get_exporter(exporter), one, 18, tmp_path))
