"""Declared names and axes for a file that has the names of transformers' own call.

A keyword is an input; what a cache or an output holds is named by the path to it, such as
`past_key_values.layers.0.keys`, with `input.` or `output.` before it where both sides have it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, MutableSequence
from typing import TYPE_CHECKING, Any

from harness.configs.base import ConfigBehavior
from harness.configs.decoding import PAST, PRESENT

if TYPE_CHECKING:
    import onnx_ir

    from harness.configs.base import OnnxConfig
    from harness.configs.task_table import Axes

_CACHED = re.compile(
    rf"{PAST}(?:\.(self|cross)_attention_cache)?\.layers\.(\d+)\.(key|value)s", re.ASCII
)
_SIDES = {None: "", "self": ".decoder", "cross": ".encoder"}
_SYMBOL = re.compile(r"[A-Za-z_]\w*", re.ASCII)

_OF_DECODERS = {
    "decoder_input_ids": "input_ids",
    "attention_mask": "encoder_attention_mask",
    "encoder_outputs.last_hidden_state": "encoder_hidden_states",
}


class Binding:
    """Which input, output and axis of a description is which of the call."""

    def __init__(self, config: OnnxConfig) -> None:
        self._config = config
        is_decoder = config.behavior is ConfigBehavior.DECODER
        self._own = _OF_DECODERS if is_decoder else {}

    def input_name(self, path: str) -> str:
        """The declared name of an input; one that is not declared keeps its own."""
        path = path.removeprefix("input.")
        return self._own.get(path) or _cached_name(path, PAST)

    def output_name(self, path: str) -> str:
        """The declared name of an output; one that is not declared keeps its own."""
        return _cached_name(path.removeprefix("output."), PRESENT)

    def dynamic_shapes(self, keywords: Mapping[str, Any]) -> dict[str, Any]:
        """The dims of torch.export for a call: those of a tensor, or of all that a value holds."""
        import torch
        from transformers.exporters.utils import get_leaf_tensors

        from harness.exporters.dynamo import dynamic_shapes

        dims = dict(zip(self._config.inputs, dynamic_shapes(self._config), strict=True))

        def of(path: str) -> dict[int, Any]:
            name = self.input_name(path)
            return dims[name] if name in dims else _of_encoder_output(dims)

        return {
            name: of(name)
            if isinstance(value, torch.Tensor)
            else [of(f"{name}.{path}") for path in get_leaf_tensors(value)]
            for name, value in keywords.items()
        }

    def apply(self, program: onnx_ir.Model) -> None:
        """Give a file its declared names, order and axis names.

        Outputs that are not declared go, with all that only they need: transformers returns
        whatever the model does. An input that is not declared stays where something needs it.
        """
        from onnx_ir.passes.common import RemoveUnusedNodesPass

        graph = program.graph
        found = {self.output_name(value.name or ""): value for value in graph.outputs}
        _replace(graph.outputs, found, self._config.outputs)
        RemoveUnusedNodesPass()(program)
        taken = {self.input_name(value.name or ""): value for value in graph.inputs}
        undeclared = [n for n, v in taken.items() if n not in self._config.inputs and v.uses()]
        _replace(graph.inputs, taken, [*self._config.inputs, *undeclared])
        self._name_axes(program)

    def _name_axes(self, program: onnx_ir.Model) -> None:
        import onnx_ir
        from onnx_ir.traversal import RecursiveGraphIterator

        graph = program.graph
        names = _names_of_symbols(graph.inputs, self._config.inputs)
        inner = (output for node in RecursiveGraphIterator(graph) for output in node.outputs)
        for value in (*graph.inputs, *inner):
            if value.shape is not None:
                value.shape = onnx_ir.Shape([_renamed(dim, names) for dim in value.shape])
        _state_axes(graph.inputs, self._config.inputs)
        _state_axes(graph.outputs, self._config.outputs)


def _cached_name(path: str, prefix: str) -> str:
    match = _CACHED.fullmatch(path)
    if match is None:
        return path
    side, layer, kind = match.groups()
    return f"{prefix}.{layer}{_SIDES[side]}.{kind}"


def _of_encoder_output(dims: Mapping[str, Mapping[int, Any]]) -> dict[int, Any]:
    """Where the cache has the encoder's keys, its output is asked for its shape alone."""
    key = dims[f"{PAST}.0.encoder.key"]
    return {axis: key[of_key] for axis, of_key in ((0, 0), (1, 2)) if of_key in key}


def _replace(
    values: MutableSequence[onnx_ir.Value], found: Mapping[str, onnx_ir.Value], names: Iterable[str]
) -> None:
    kept = [name for name in names if name in found]
    values[:] = [found[name] for name in kept]
    for name in kept:
        found[name].name = name


def _names_of_symbols(
    inputs: Iterable[onnx_ir.Value], declared: Mapping[str, Axes]
) -> dict[str, str]:
    """Symbol of an input -> the text that is declared where it stands."""
    return {
        symbol: text
        for value, axis, text in _symbolic(inputs, declared)
        if _SYMBOL.fullmatch(symbol := str(value.shape[axis]))
    }


def _state_axes(values: Iterable[onnx_ir.Value], declared: Mapping[str, Axes]) -> None:
    """Write the declared texts over symbols: torch.export may keep several for one axis name."""
    for value, axis, text in _symbolic(values, declared):
        value.shape[axis] = text


def _symbolic(
    values: Iterable[onnx_ir.Value], declared: Mapping[str, Axes]
) -> Iterator[tuple[Any, int, str]]:
    """The declared axes that the file has as symbols; one that it has frozen stays so."""
    import onnx_ir

    for value in values:
        for axis, text in declared.get(value.name or "", {}).items():
            if value.shape is not None and isinstance(value.shape[axis], onnx_ir.SymbolicDim):
                yield value, axis, text


def _renamed(dim: Any, names: Mapping[str, str]) -> Any:
    """A dim in terms of declared axes, as far as its symbols are those of inputs."""
    text = getattr(dim, "value", None)
    if not isinstance(text, str):
        return dim
    if text in names:
        return names[text]
    return _SYMBOL.sub(lambda match: _as_term(names.get(match[0], match[0])), text)


def _as_term(text: str) -> str:
    return f"({text})" if " " in text else text
