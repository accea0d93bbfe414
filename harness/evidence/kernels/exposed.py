"""Copies of a model with other outputs, and values that the runtime cannot return as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.evidence import session

if TYPE_CHECKING:
    import numpy as np
    import onnx
    import onnxruntime

    from harness.configs.feeds import Feed
    from harness.evidence.reference import Arrays

    Array = np.ndarray[Any, Any]

WIDER = {"bfloat16": "FLOAT", "int4": "INT8", "uint4": "UINT8", "int2": "INT8", "uint2": "UINT8"}
"""Types that the runtime neither takes nor returns as arrays, and an exact wider type for each."""

_SUFFIX = "__widened"
_RENAMED = {"float": "float32", "double": "float64"}


class Exposed:
    """A session of a copy whose outputs are chosen values; `dtypes` has their known dtypes."""

    def __init__(self, opened: onnxruntime.InferenceSession, dtypes: Mapping[str, str]) -> None:
        self._session, self._dtypes = opened, dtypes

    def dtypes(self) -> dict[str, str]:
        """Return the dtype of each value that is a tensor, by the runtime's own inference."""
        kinds = {value.name: value.type for value in self._session.get_outputs()}
        names = {n: k[len("tensor(") : -1] for n, k in kinds.items() if k.startswith("tensor(")}
        return {name: _RENAMED.get(kind, kind) for name, kind in names.items()}

    def run(self, feed: Feed) -> Arrays:
        """Run a feed and return the values by name, in their own dtypes."""
        import numpy as np

        names = {value.name for value in self._session.get_inputs()}
        wide = {name: _wide(name, array) for name, array in feed.items()}
        fed = {name: array for name, array in wide.values() if name in names}
        values = session.run_session(self._session, fed)
        return {
            name.removesuffix(_SUFFIX): self._narrow(name, np.asarray(value))
            for name, value in values.items()
        }

    def _narrow(self, name: str, value: Array) -> Array:
        if not name.endswith(_SUFFIX):
            return value
        return value.astype(numpy_dtype(self._dtypes[name.removesuffix(_SUFFIX)]))


def _wide(name: str, array: Array) -> tuple[str, Array]:
    """Return the name under which a copy takes an input, and its array."""
    if array.dtype.name not in WIDER:
        return name, array
    return name + _SUFFIX, array.astype(numpy_dtype(WIDER[array.dtype.name].lower()))


def with_outputs(
    model: onnx.ModelProto, names: Iterable[str], dtypes: Mapping[str, str]
) -> onnx.ModelProto:
    """Return a copy of a model whose outputs are the named values.

    A value of a type in `WIDER` is widened first.
    """
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    for name in names:
        exposed = name
        if dtypes.get(name) in WIDER:
            exposed = name + _SUFFIX
            copy.graph.node.append(_cast(name, exposed, WIDER[dtypes[name]]))
        copy.graph.output.append(onnx.ValueInfoProto(name=exposed))
    return copy


def separated(
    model: onnx.ModelProto,
    nodes: Sequence[tuple[onnx.NodeProto, Mapping[int, str]]],
    outputs: Mapping[str, str],
) -> onnx.ModelProto:
    """Return a model of nodes that do not depend on each other.

    Each node comes with the inputs to feed, as position -> dtype; they become inputs of the graph
    (see `fed_name`), and its other inputs stay initializers. `outputs` is name -> dtype.
    """
    import onnx
    from onnx import helper

    parts: list[onnx.NodeProto] = []
    inputs: list[onnx.ValueInfoProto] = []
    for node, fed in nodes:
        own = onnx.NodeProto()
        own.CopyFrom(node)
        for position, dtype in fed.items():
            name = own.input[position] = fed_name(node, position)
            inner = name if dtype not in WIDER else name + _SUFFIX
            kind = WIDER.get(dtype) or _onnx_name(dtype)
            inputs.append(helper.make_tensor_value_info(inner, _number(kind), None))
            if inner != name:
                parts.append(_cast(inner, name, _onnx_name(dtype)))
        parts.append(own)
    kept = {name for part in parts for name in part.input}
    stored = [tensor for tensor in model.graph.initializer if tensor.name in kept]
    graph = helper.make_graph(parts, "nodes", inputs, [], stored)
    alone = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    return with_outputs(alone, outputs, outputs)


def fed_name(node: onnx.NodeProto, position: int) -> str:
    """Return the name of an input of the graph that `separated` makes of an input of a node."""
    return f"{node.name}.{position}"


def numpy_dtype(name: str) -> np.dtype[Any]:
    """Return the dtype of a name that the runtime or ONNX has for it."""
    from onnx import helper

    dtype: np.dtype[Any] = helper.tensor_dtype_to_np_dtype(_number(_onnx_name(name)))
    return dtype


def _cast(source: str, target: str, kind: str) -> onnx.NodeProto:
    from onnx import helper

    return helper.make_node("Cast", [source], [target], name=f"cast {target}", to=_number(kind))


def _onnx_name(dtype: str) -> str:
    return {"float32": "FLOAT", "float64": "DOUBLE"}.get(dtype, dtype.upper())


def _number(kind: str) -> int:
    from onnx import TensorProto

    return int(TensorProto.DataType.Value(kind))
