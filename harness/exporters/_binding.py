"""Give files of transformers' exporter their declared input, output and axis names.

transformers names an input after its keyword. It names a tensor in a cache or an output by its
path, such as `past_key_values.layers.0.keys`, with the prefix `input.` or `output.` if an input
and an output have the same path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, MutableSequence
from typing import TYPE_CHECKING, Any

from harness.configs.cache_layout import CacheEntry, CacheSide

if TYPE_CHECKING:
    import onnx_ir

    from harness.configs.base import OnnxConfig
    from harness.configs.task_table import Axes

# From transformers 5.24 on, the cache of an output is called `cache`.
_CACHE = re.compile(r"(?:past_key_values|cache_params|cache)\.", re.ASCII)
_SIDES = {
    None: "",
    CacheSide.DECODER: "self_attention_cache.",
    CacheSide.ENCODER: "cross_attention_cache.",
}
_BARE = "output"
"""transformers' name of the output of a module that returns a tensor."""

_SYMBOL = re.compile(r"[A-Za-z_]\w*", re.ASCII)


class Binding:
    """Maps names and axes of transformers' call to the names and axes that a config declares."""

    def __init__(self, config: OnnxConfig) -> None:
        self._config = config
        self._inputs = {argument: name for name, argument in config.call.arguments.items()}
        self._outputs = {one.held or _BARE: name for name, one in config.call.results.items()}
        self._cached = {_path_in_cache(entry): entry for entry in config.cache}

    def input_name(self, path: str) -> str:
        """Return the declared name of an input; an undeclared input keeps its name."""
        path = path.removeprefix("input.")
        entry = self._entry_at(path)
        return entry.name if entry else self._inputs.get(path, path)

    def output_name(self, path: str) -> str:
        """Return the declared name of an output; an undeclared output keeps its name."""
        path = path.removeprefix("output.")
        entry = self._entry_at(path)
        return entry.present if entry else self._outputs.get(path, path)

    def _entry_at(self, path: str) -> CacheEntry | None:
        match = _CACHE.match(path)
        return self._cached.get(path[match.end() :]) if match else None

    def dynamic_shapes(self, keywords: Mapping[str, Any]) -> dict[str, Any]:
        """Return torch.export's dynamic shapes for a call, by keyword.

        A tensor has one dict (axis -> Dim); a cache or output object has a list of such dicts,
        one for each tensor in it.
        """
        import torch
        from transformers.exporters.utils import get_leaf_tensors

        from harness.exporters.dynamo import dynamic_shapes

        dims = dict(zip(self._config.inputs, dynamic_shapes(self._config), strict=True))

        def dims_of(path: str) -> dict[int, Any]:
            name = self.input_name(path)
            return dims[name] if name in dims else self._dims_of_unread(path, dims)

        return {
            name: dims_of(name)
            if isinstance(value, torch.Tensor)
            else [dims_of(f"{name}.{path}") for path in get_leaf_tensors(value)]
            for name, value in keywords.items()
        }

    def _dims_of_unread(
        self, argument: str, dims: Mapping[str, Mapping[int, Any]]
    ) -> dict[int, Any]:
        """Return the dims of an argument that no input gives, from the input that it is like."""
        unread = self._config.call.unread[argument]
        of_like = dims[unread.like]
        return {n: of_like[axis] for n, axis in enumerate(unread.axes) if axis in of_like}

    def apply(self, program: onnx_ir.Model) -> None:
        """Give a file its declared names, order and axis names, in place.

        Removes undeclared outputs and the nodes that only they need: transformers exports every
        output of the model. An undeclared input stays if a node uses it.
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
        names = _axis_texts_by_symbol(graph.inputs, self._config.inputs)
        inner = (output for node in RecursiveGraphIterator(graph) for output in node.outputs)
        for value in (*graph.inputs, *inner):
            if value.shape is not None:
                value.shape = onnx_ir.Shape([_renamed(dim, names) for dim in value.shape])
        _write_axis_texts(graph.inputs, self._config.inputs)
        _write_axis_texts(graph.outputs, self._config.outputs)


def _path_in_cache(entry: CacheEntry) -> str:
    """Return transformers' path of a tensor within the cache."""
    attribute, index = entry.place
    held = attribute if index is None else f"{attribute}.{index}"
    return f"{_SIDES[entry.side]}layers.{entry.layer}.{held}"


def _replace(
    values: MutableSequence[onnx_ir.Value], found: Mapping[str, onnx_ir.Value], names: Iterable[str]
) -> None:
    kept = [name for name in names if name in found]
    values[:] = [found[name] for name in kept]
    for name in kept:
        found[name].name = name


def _axis_texts_by_symbol(
    inputs: Iterable[onnx_ir.Value], declared: Mapping[str, Axes]
) -> dict[str, str]:
    """Symbol in the shape of an input -> the text declared for that axis."""
    return {
        symbol: text
        for value, axis, text in _symbolic_axes(inputs, declared)
        if _SYMBOL.fullmatch(symbol := str(value.shape[axis]))
    }


def _write_axis_texts(values: Iterable[onnx_ir.Value], declared: Mapping[str, Axes]) -> None:
    """Replace symbols by declared texts: torch.export may use several symbols for one axis name."""
    for value, axis, text in _symbolic_axes(values, declared):
        value.shape[axis] = text


def _symbolic_axes(
    values: Iterable[onnx_ir.Value], declared: Mapping[str, Axes]
) -> Iterator[tuple[Any, int, str]]:
    """Yield (value, axis, declared text) of each declared axis that is symbolic in the file.

    Axes that the exporter froze are left out, so that they stay frozen.
    """
    import onnx_ir

    for value in values:
        for axis, text in declared.get(value.name or "", {}).items():
            if value.shape is not None and isinstance(value.shape[axis], onnx_ir.SymbolicDim):
                yield value, axis, text


def _renamed(dim: Any, names: Mapping[str, str]) -> Any:
    """Return a dim in which the symbols of inputs are replaced by declared axis texts."""
    text = getattr(dim, "value", None)
    if not isinstance(text, str):
        return dim
    if text in names:
        return names[text]
    return _SYMBOL.sub(lambda match: _as_term(names.get(match[0], match[0])), text)


def _as_term(text: str) -> str:
    return f"({text})" if " " in text else text
