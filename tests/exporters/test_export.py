"""`export()`: the files it writes, the calls it refuses, and its side effects."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import nn

from harness import BertOnnxConfig, ExporterError, UnsupportedOpsetError, UsageError, export
from harness.configs.axes import AxisExpression
from harness.evidence.onnx_file import default_opset, graph_inputs, graph_outputs
from harness.exporters import exporter_names, get_exporter, resolve_auto
from harness.exporters._quiet import quiet

EXPORTERS = ("dynamo", "torchscript", "transformers")


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_the_file_carries_declared_names_and_axis_names(
    exporter: str, subject: Callable[..., Any], tmp_path: Path
) -> None:
    one = subject("gpt2", "text-generation-with-past")
    names = export(one.model, one.config, tmp_path, opset=18, exporter=exporter)
    model = onnx.load(tmp_path / "model.onnx")
    assert default_opset(model) == 18
    assert names == (list(one.config.inputs), list(one.config.outputs))
    assert (list(graph_inputs(model)), list(graph_outputs(model))) == names
    declared = {**one.config.inputs, **one.config.outputs}
    for name, value in {**graph_inputs(model), **graph_outputs(model)}.items():
        for axis, dim in enumerate(value.dims or ()):
            if axis in declared[name]:
                assert AxisExpression.parse(str(dim)) == AxisExpression.parse(declared[name][axis])
            else:
                assert isinstance(dim, int), (name, dim)


@pytest.mark.gate_cases(2)
@pytest.mark.parametrize("exporter", EXPORTERS)
def test_an_export_does_not_change_the_model(
    exporter: str, subject: Callable[..., Any], tmp_path: Path
) -> None:
    one = subject("bert", "fill-mask")
    model = copy.deepcopy(one.model).train()
    model.bert.embeddings.eval()
    before = _state(model)
    export(model, one.config, tmp_path, opset=17, exporter=exporter)
    assert _state(model) == before


def _state(model: nn.Module) -> dict[str, Any]:
    return {
        "modes": {name: module.training for name, module in model.named_modules()},
        "grad": {name: (p.requires_grad, p.grad) for name, p in model.named_parameters()},
        "dtype": {name: (p.dtype, p.device) for name, p in model.named_parameters()},
        "weights": {
            name: hash(p.detach().numpy().tobytes()) for name, p in model.named_parameters()
        },
        "own": {name: sorted(vars(module)) for name, module in model.named_modules()},
        "attention": model.config._attn_implementation,
    }


def test_a_model_in_train_mode_is_exported_in_eval_mode(
    subject: Callable[..., Any], tmp_path: Path
) -> None:
    one = subject("bert", "fill-mask")
    model = copy.deepcopy(one.model).train()
    export(model, one.config, tmp_path, opset=18, exporter="torchscript")
    assert "Dropout" not in {node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node}


@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("opset", [7, 26])
def test_an_opset_that_is_not_honoured_is_refused(
    exporter: str, opset: int, subject: Callable[..., Any], tmp_path: Path
) -> None:
    one = subject("bert", "fill-mask")
    with pytest.raises(UnsupportedOpsetError, match=f"{exporter} does not honour opset {opset}"):
        export(one.model, one.config, tmp_path, opset=opset, exporter=exporter)
    assert list(tmp_path.iterdir()) == []


def test_probed_ranges_are_contiguous_and_hold_the_default_opset() -> None:
    for name in EXPORTERS:
        opsets = get_exporter(name).opsets
        assert opsets == tuple(range(opsets[0], opsets[-1] + 1))
        assert BertOnnxConfig.DEFAULT_ONNX_OPSET in opsets


def test_auto_is_dynamo_if_it_honours_the_opset() -> None:
    dynamo = get_exporter("dynamo").opsets
    assert resolve_auto(dynamo[0]) == "dynamo"
    assert resolve_auto(dynamo[0] - 1) == "torchscript"


def test_a_description_of_one_part_may_name_its_file(
    subject: Callable[..., Any], tmp_path: Path
) -> None:
    one = subject("vit", "image-classification")
    export(one.model, one.config, tmp_path / "vit.onnx", opset=17, exporter="torchscript")
    assert [path.name for path in tmp_path.iterdir()] == ["vit.onnx"]


def test_a_failed_export_leaves_no_file_and_keeps_an_older_one(
    subject: Callable[..., Any], tmp_path: Path
) -> None:
    one = subject("bert", "fill-mask")
    older = tmp_path / "model.onnx"
    older.write_bytes(b"older")

    class Refusing(type(one.config)):  # type: ignore[misc]
        def patch_model_for_export(self, model: nn.Module) -> nn.Module:
            raise RuntimeError("no patch today")

    with pytest.raises(ExporterError, match="RuntimeError: no patch today"):
        export(one.model, Refusing(one.model.config, task="fill-mask"), tmp_path, exporter="dynamo")
    assert older.read_bytes() == b"older"
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_the_error_for_an_unknown_exporter_suggests_the_nearest(
    subject: Callable[..., Any], tmp_path: Path
) -> None:
    one = subject("bert", "fill-mask")
    with pytest.raises(UsageError, match="did you mean torchscript"):
        export(one.model, one.config, tmp_path, exporter="torchscipt")
    assert set(EXPORTERS) <= set(exporter_names())


def test_output_of_native_code_is_suppressed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with quiet():
        os.write(1, b"from C++")
    os.write(1, b"afterwards")
    assert capfd.readouterr().out == "afterwards"


def test_export_leaves_gradients_enabled(subject: Callable[..., Any], tmp_path: Path) -> None:
    one = subject("vit", "image-classification")
    export(one.model, one.config, tmp_path, opset=17, exporter="torchscript")
    assert torch.is_grad_enabled()
