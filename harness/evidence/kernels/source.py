"""A file whose inner values can become outputs, and the nodes of its main graph."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.evidence import session
from harness.evidence.kernels.exposed import Exposed, with_outputs
from harness.evidence.onnx_file import parse_onnx, subgraphs
from harness.evidence.session import CandidateError

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]

_FOLDER_ENTRY = "session.model_external_initializers_file_folder_path"
"""Where the runtime finds the external data of a model that it loads from memory."""

_NO_KERNEL = re.compile(r"Could not find an implementation for .* node with name '(n\d+)'")


@dataclass(frozen=True, slots=True)
class KernelNode:
    """A node of the main graph. `name` is the file's name for it, or its first output."""

    name: str
    proto: onnx.NodeProto

    @property
    def operator(self) -> str:
        return str(self.proto.op_type)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of its outputs, without omitted ones."""
        return tuple(name for name in self.proto.output if name)

    @property
    def values(self) -> tuple[str, ...]:
        """Names of its inputs and outputs, without omitted ones."""
        return (*(name for name in self.proto.input if name), *self.outputs)


class Source:
    """An ONNX file, of which the runtime runs copies with other outputs.

    Copies are loaded from memory, with the external data of the file. The caller must have checked
    before that the data lies inside the file's folder.
    """

    def __init__(self, path: Path, *, entries: Mapping[str, str], optimised: bool) -> None:
        import onnx.inliner

        model = parse_onnx(path)
        self.model = onnx.inliner.inline_local_functions(model) if model.functions else model
        self.folder, self._optimised = path.parent.resolve(), optimised
        self._entries = {**entries, _FOLDER_ENTRY: str(self.folder)}
        _store_constants(self.model.graph)
        self.nodes = [KernelNode(n.name or n.output[0], n) for n in self.model.graph.node]
        for index, node in enumerate(self.nodes):
            node.proto.name = f"n{index}"
        self.stored = {tensor.name: tensor for tensor in self.model.graph.initializer}

    @property
    def opsets(self) -> dict[str, int]:
        """Domain -> imported version."""
        return {entry.domain: entry.version for entry in self.model.opset_import}

    def read(self, name: str) -> Array:
        """Return the array of an initializer."""
        from onnx import TensorProto, numpy_helper

        tensor = TensorProto()
        tensor.CopyFrom(self.stored[name])
        array: Array = numpy_helper.to_array(tensor, str(self.folder))
        return array

    def expose(self, names: Iterable[str], dtypes: Mapping[str, str]) -> Exposed:
        """Load a copy whose outputs are the named values; `dtypes` has the dtypes that are known.

        Raises CandidateError if the runtime refuses it.
        """
        return self.load(with_outputs(self.model, names, dtypes), dtypes)

    def load(self, model: onnx.ModelProto, dtypes: Mapping[str, str]) -> Exposed:
        """Load a model with the options of this file; raises CandidateError on refusal."""
        opened = session.open_session(
            model.SerializeToString(), optimised=self._optimised, entries=self._entries
        )
        return Exposed(opened, dtypes)

    @property
    def scale_names(self) -> list[str]:
        """Scales and zero points that nodes compute for a whole tensor while the file runs."""
        return [name for node in self.nodes for name in _dynamic_scales(node.proto)]

    def with_fixed_scales(self) -> Source:
        """Return a copy that takes the values of `scale_names` as inputs."""
        import copy

        import onnx

        other = copy.copy(self)
        other.model = onnx.ModelProto()
        other.model.CopyFrom(self.model)
        graph = other.model.graph
        for node in graph.node:
            scales = _dynamic_scales(node)
            for name, kind in zip(scales, ("FLOAT", "UINT8"), strict=False):
                number = onnx.TensorProto.DataType.Value(kind)
                graph.input.append(onnx.helper.make_tensor_value_info(name, number, []))
            if scales:
                node.op_type = "QuantizeLinear"
                node.input.extend(scales)
                del node.output[1:]
        return other

    def drop_nodes_without_kernel(self) -> tuple[dict[str, str], dict[str, str]]:
        """Remove the nodes that the runtime cannot run, and all nodes that depend on them.

        Returns the dtypes of all values, and node name -> reason for each removed node. Raises
        CandidateError if the runtime refuses the file for another reason.
        """
        removed: dict[str, str] = {}
        while True:
            produced = [name for node in self.nodes for name in node.outputs]
            try:
                return self._own_dtypes() | self.expose(produced, {}).dtypes(), removed
            except CandidateError as error:
                found = _NO_KERNEL.search(str(error))
                if found is None:
                    raise
                removed |= self._remove(found[1])

    def _own_dtypes(self) -> dict[str, str]:
        """Return the dtypes of inputs and initializers."""
        from onnx import TensorProto

        graph = self.model.graph
        kinds = {info.name: info.type.tensor_type.elem_type for info in graph.input}
        kinds |= {tensor.name: tensor.data_type for tensor in graph.initializer}
        names = {number: name.lower() for name, number in TensorProto.DataType.items()}
        renamed = {"float": "float32", "double": "float64"}
        return {name: renamed.get(names[kind], names[kind]) for name, kind in kinds.items()}

    def _remove(self, internal_name: str) -> dict[str, str]:
        gone: dict[str, str] = {}
        lost: set[str] = set()
        for node in self.nodes:
            is_cause = node.proto.name == internal_name
            if is_cause or not lost.isdisjoint(reads(node.proto)):
                lost |= set(node.outputs)
                gone[node.name] = (
                    "the runtime has no kernel for it"
                    if is_cause
                    else "it depends on a node for which the runtime has no kernel"
                )
        kept = [(n.name, n.proto) for n in self.nodes if lost.isdisjoint(n.outputs)]
        self._replace_nodes(kept)
        return gone

    def _replace_nodes(self, kept: list[tuple[str, onnx.NodeProto]]) -> None:
        copies = [(name, _copied(proto)) for name, proto in kept]
        del self.model.graph.node[:]
        self.model.graph.node.extend(proto for _, proto in copies)
        pairs = zip(copies, self.model.graph.node, strict=True)
        self.nodes = [KernelNode(name, proto) for (name, _), proto in pairs]


def reads(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the names of all values that a node reads, also in its subgraphs."""
    yield from (name for name in node.input if name)
    for graph in subgraphs(node):
        for inner in graph.node:
            yield from reads(inner)
        yield from (output.name for output in graph.output)


def _dynamic_scales(node: onnx.NodeProto) -> list[str]:
    return list(node.output[1:]) if node.op_type == "DynamicQuantizeLinear" else []


def _store_constants(graph: onnx.GraphProto) -> None:
    """Turn the nodes that only hold a tensor into initializers, as the runtime does."""
    constants = [node for node in graph.node if _constant(node) is not None]
    for node in constants:
        tensor = graph.initializer.add()
        tensor.CopyFrom(_constant(node))
        tensor.name = node.output[0]
        graph.node.remove(node)


def _constant(node: onnx.NodeProto) -> onnx.TensorProto | None:
    if node.op_type != "Constant" or node.domain not in {"", "ai.onnx"}:
        return None
    return next((attribute.t for attribute in node.attribute if attribute.name == "value"), None)


def _copied(proto: onnx.NodeProto) -> onnx.NodeProto:
    import onnx

    copy = onnx.NodeProto()
    copy.CopyFrom(proto)
    return copy
