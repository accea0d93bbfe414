"""Read an ONNX file: its graph, interface and nodes, by default without its external data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.evidence.model_folders import explain_lfs_pointer, is_lfs_pointer

if TYPE_CHECKING:
    import onnx

Dim = int | str | None


@dataclass(frozen=True, slots=True)
class Value:
    """A graph input or output: numpy dtype name and dims (size, symbol, or None for unknown)."""

    name: str
    dtype: str
    dims: tuple[Dim, ...] | None

    @property
    def rank(self) -> int | None:
        return None if self.dims is None else len(self.dims)


def parse_onnx(path: Path) -> onnx.ModelProto:
    """Read a model without its external data; raises UsageError if it is not an ONNX model."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if is_lfs_pointer(path):
        raise UsageError(f"{path} is not an ONNX model: {explain_lfs_pointer(path)}")
    if not data:
        raise UsageError(f"{path} is empty and not an ONNX model; export it again")
    try:
        model = onnx.ModelProto.FromString(data)
    except (DecodeError, RuntimeError, ValueError) as error:
        raise UsageError(
            f"{path} is not an ONNX model, or is truncated; export it again"
        ) from error
    if not model.HasField("graph") or model.ir_version <= 0:
        raise UsageError(
            f"{path} is not an ONNX model: it has no graph or no IR version; export it again"
        )
    return model


def parse_whole(path: Path) -> onnx.ModelProto:
    """Read a model with its external data.

    The caller must have checked before that the data lies inside the file's folder.
    """
    from onnx.external_data_helper import load_external_data_for_model

    model = parse_onnx(path)
    load_external_data_for_model(model, str(path.parent))
    return model


def default_opset(model: onnx.ModelProto) -> int | None:
    """Return the version of the `ai.onnx` domain that the file imports; None if it imports none."""
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    return versions[0] if versions else None


def graph_inputs(model: onnx.ModelProto) -> Mapping[str, Value]:
    """Return the inputs that a caller feeds, in order.

    Initializers are left out, since old files list them as inputs too.
    """
    initializers = {tensor.name for tensor in model.graph.initializer}
    return _values(info for info in model.graph.input if info.name not in initializers)


def graph_outputs(model: onnx.ModelProto) -> Mapping[str, Value]:
    """Return the outputs, in order."""
    return _values(iter(model.graph.output))


def all_nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Yield every node, including the nodes of subgraphs and functions."""
    yield from _with_nested(model.graph.node)
    for function in model.functions:
        yield from _with_nested(function.node)


def _with_nested(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        yield node
        for graph in subgraphs(node):
            yield from _with_nested(graph.node)


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs in a node's attributes, such as the branches of an If."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _values(infos: Iterator[onnx.ValueInfoProto]) -> Mapping[str, Value]:
    return {info.name: _value(info) for info in infos}


def _value(info: onnx.ValueInfoProto) -> Value:
    import onnx

    if not info.type.HasField("tensor_type"):
        return Value(info.name, str(info.type.WhichOneof("value")), None)
    tensor = info.type.tensor_type
    try:
        dtype = str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    except KeyError:
        dtype = f"element type {tensor.elem_type}"
    if not tensor.HasField("shape"):
        return Value(info.name, dtype, None)
    return Value(info.name, dtype, tuple(_dim(dim) for dim in tensor.shape.dim))


def _dim(dim: onnx.TensorShapeProto.Dimension) -> Dim:
    if dim.HasField("dim_value"):
        return int(dim.dim_value)
    return dim.dim_param or None
