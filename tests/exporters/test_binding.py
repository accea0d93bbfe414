"""Files of transformers' exporter get the declared names, and their defects stay visible."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import onnx_ir
import pytest
import torch

from harness import BertOnnxConfig, CellId, export, judge_cell
from harness.configs.calls import LIST, PartCall
from harness.evidence.onnx_file import graph_inputs, graph_outputs
from harness.exporters._binding import Binding
from harness.exporters._wrapper import call_keywords

T5 = "text2text-generation-with-past"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("input_ids", "input_ids"),
        ("input.past_key_values.layers.0.keys", "past_key_values.0.key"),
        ("past_key_values.layers.1.values", "past_key_values.1.value"),
        ("past_key_values.layers.2.values", "past_key_values.layers.2.values"),  # has two layers
        ("past_key_values.sink.0.keys", "past_key_values.sink.0.keys"),
    ],
)
def test_inputs_of_a_whole_model(path: str, name: str, subject: Callable[..., Any]) -> None:
    assert Binding(subject("gpt2", "text-generation-with-past").config).input_name(path) == name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("decoder_input_ids", "input_ids"),
        ("attention_mask", "encoder_attention_mask"),
        ("encoder_outputs.last_hidden_state", "encoder_hidden_states"),
        (
            "input.past_key_values.self_attention_cache.layers.1.keys",
            "past_key_values.1.decoder.key",
        ),
        (
            "past_key_values.cross_attention_cache.layers.0.values",
            "past_key_values.0.encoder.value",
        ),
    ],
)
def test_inputs_of_a_decoder(path: str, name: str, subject: Callable[..., Any]) -> None:
    decoder = subject("t5", T5).config.parts["decoder_with_past_model"]
    assert Binding(decoder).input_name(path) == name


def test_numbered_inputs_are_members_of_a_list() -> None:
    maps = [torch.zeros(size) for size in range(12)]
    named = {"prompt": torch.ones(1), **{f"maps.{n}": one for n, one in enumerate(maps)}}
    keywords = call_keywords(named, PartCall(objects={"maps": LIST}), ())
    assert list(keywords) == ["prompt", "maps"]
    assert [len(one) for one in keywords["maps"]] == list(range(12))


def test_members_of_a_tuple_of_outputs(subject: Callable[..., Any]) -> None:
    binding = Binding(subject("mgp-str", "feature-extraction").config)
    assert binding.output_name("output.logits.1") == "bpe_logits"
    assert binding.output_name("logits.3") == "logits.3"  # has three


def test_outputs_of_a_decoder(subject: Callable[..., Any]) -> None:
    binding = Binding(subject("t5", T5).config.parts["decoder_with_past_model"])
    path = "past_key_values.cross_attention_cache.layers.1.keys"
    assert binding.output_name("logits") == "logits"
    assert binding.output_name(path) == "present.1.encoder.key"
    assert binding.output_name(f"output.{path}") == "present.1.encoder.key"


def test_a_cache_by_its_name_since_transformers_5_24(subject: Callable[..., Any]) -> None:
    binding = Binding(subject("gpt2", "text-generation-with-past").config)
    assert binding.output_name("cache.layers.1.values") == "present.1.value"
    assert binding.input_name("cache.layers.0.keys") == "past_key_values.0.key"


def program(*inputs: str, used: str, outputs: tuple[str, ...]) -> onnx_ir.Model:
    """Return a model with these inputs, whose outputs are all copies of the input `used`."""
    made = {
        name: onnx_ir.val(name, onnx_ir.DataType.INT64, onnx_ir.Shape(["s1", "s2"]))
        for name in inputs
    }
    nodes = [onnx_ir.node("Identity", [made[used]]) for _ in outputs]
    for node, name in zip(nodes, outputs, strict=True):
        node.outputs[0].name = name
        node.outputs[0].shape = onnx_ir.Shape(["s1", "s2 + 2*s1", 20])
    graph = onnx_ir.Graph(
        list(made.values()),
        [node.outputs[0] for node in nodes],
        nodes=nodes,
        opset_imports={"": 18},
    )
    return onnx_ir.Model(graph, ir_version=10)


def bert() -> BertOnnxConfig:
    from transformers import BertConfig

    return BertOnnxConfig(BertConfig())


def test_undeclared_values_that_no_node_needs_are_removed() -> None:
    made = program("other", "input_ids", used="input_ids", outputs=("pooled", "last_hidden_state"))
    Binding(bert()).apply(made)
    assert [value.name for value in made.graph.outputs] == ["last_hidden_state"]
    assert [value.name for value in made.graph.inputs] == ["input_ids"]
    assert len(list(made.graph)) == 1


def test_an_undeclared_input_that_a_node_needs_stays() -> None:
    made = program("other", "input_ids", used="other", outputs=("last_hidden_state",))
    Binding(bert()).apply(made)
    assert [value.name for value in made.graph.inputs] == ["input_ids", "other"]


def test_the_declared_order_is_written() -> None:
    names = ("token_type_ids", "attention_mask", "input_ids")
    made = program(*names, used="input_ids", outputs=("last_hidden_state",))
    Binding(bert()).apply(made)
    assert [value.name for value in made.graph.inputs] == list(
        reversed(("token_type_ids", "attention_mask", "input_ids"))
    )


def test_symbols_become_axis_names_and_frozen_dims_stay() -> None:
    made = program("input_ids", used="input_ids", outputs=("hidden", "last_hidden_state"))
    made.graph.outputs[1].shape = onnx_ir.Shape(["s1", 7, 20])
    (hidden, last) = made.graph.outputs
    node = onnx_ir.node("Add", [hidden, last])
    node.outputs[0].name, node.outputs[0].shape = "last_hidden_state", last.shape
    last.name = "inner"
    made.graph.append(node)
    made.graph.outputs[:] = [node.outputs[0]]
    Binding(bert()).apply(made)
    assert str(made.graph.inputs[0].shape) == "[batch_size,sequence_length]"
    assert hidden.shape is not None
    assert [str(dim) for dim in hidden.shape][:2] == [
        "batch_size",
        "sequence_length + 2*batch_size",
    ]
    assert node.outputs[0].shape is not None
    assert [str(dim) for dim in node.outputs[0].shape] == ["batch_size", "7", "20"]


def test_a_file_has_only_the_declared_interface(
    subject: Callable[..., Any], tmp_path: Path
) -> None:
    one = subject("bert", "feature-extraction")
    export(one.model, one.config, tmp_path, opset=18, exporter="transformers")
    model = onnx.load(tmp_path / "model.onnx")
    assert list(graph_inputs(model)) == list(one.config.inputs)
    assert list(graph_outputs(model)) == ["last_hidden_state"]
    assert not [weight.name for weight in model.graph.initializer if "pooler" in weight.name]


@pytest.mark.full
@pytest.mark.parametrize(
    "cell", ["gpt2/text-generation-with-past", pytest.param(f"t5/{T5}", marks=pytest.mark.full)]
)
def test_cells_with_a_cache_conform(cell: str) -> None:
    report = judge_cell(CellId.parse(f"{cell}/opset18/transformers"), profile="smoke")
    assert report.conforms, [record.message for record in report.records]
