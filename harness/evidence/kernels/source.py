"""A file whose inner values can become outputs, and the nodes of its main graph."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from harness.evidence import session
from harness.evidence.kernels import outside_weights
from harness.evidence.kernels.branches import branch, conditional_nodes, inline_branches
from harness.evidence.kernels.exposed import Exposed, with_outputs
from harness.evidence.kernels.graphs import (
    KernelNode,
    copied,
    dynamic_scales,
    fix_dynamic_scales,
    graph_nodes,
    number_nodes,
    reads,
    remove_nodes,
    store_constants,
)
from harness.evidence.kernels.results import UncheckedNode
from harness.evidence.onnx_file import parse_onnx
from harness.evidence.session import CandidateError

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from harness.configs.feeds import Feed

    Array = np.ndarray[Any, Any]

_FOLDER_ENTRY = "session.model_external_initializers_file_folder_path"
"""Where the runtime finds the external data of a model that it loads from memory."""

_NO_KERNEL = re.compile(r"Could not find an implementation for .* node with name '([^']*)'")
_NODE_WITHOUT = "the runtime has no kernel for it"
_NODE_AFTER = "it depends on a node for which the runtime has no kernel"


class Source:
    """An ONNX file, of which the runtime runs copies with other outputs.

    Copies are loaded from memory, and find their external data in the file's folder. Large weights
    inside the file first move to a temporary folder. The caller must have checked before that
    external data lies inside the file's folder.
    """

    def __init__(self, path: Path, *, entries: Mapping[str, str], optimised: bool) -> None:
        import onnx.inliner

        model = parse_onnx(path)
        self.model = onnx.inliner.inline_local_functions(model) if model.functions else model
        self.folder, self._optimised = path.parent.resolve(), optimised
        if outside_weights.has_large_weights(self.model.graph):
            self._temporary = TemporaryDirectory(prefix="kernels-")
            self.folder = Path(self._temporary.name).resolve()
            outside_weights.move_weights(self.model.graph, self.folder)
        self._entries = {**entries, _FOLDER_ENTRY: str(self.folder)}
        self._names = number_nodes(self.model.graph)
        self._index()

    @property
    def opsets(self) -> dict[str, int]:
        """Domain -> imported version."""
        return {entry.domain: entry.version for entry in self.model.opset_import}

    @property
    def scale_names(self) -> list[str]:
        """Scales and zero points that nodes compute for a whole tensor while the file runs."""
        return [name for node in self.nodes for name in dynamic_scales(node.proto)]

    def named(self, proto: onnx.NodeProto) -> KernelNode:
        """Return a node of the main graph or of a subgraph, with its name in the file."""
        return KernelNode(self._names.get(proto.name, proto.name), proto)

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

    def with_fixed_scales(self) -> Source:
        """Return a copy that takes the values of `scale_names` as inputs."""
        import onnx

        other = copy.copy(self)
        other.model = onnx.ModelProto()
        other.model.CopyFrom(self.model)
        fix_dynamic_scales(other.model.graph)
        return other

    def take_branches(self, feed: Feed) -> list[KernelNode]:
        """Replace each If by the branch that a feed takes, and return the nodes of the others."""
        left: list[KernelNode] = []
        while nodes := conditional_nodes(self.model.graph):
            values = self._values([node.input[0] for node in nodes], feed)
            taken = {node.name: bool(values[node.input[0]]) for node in nodes}
            for node in nodes:
                other = branch(node, taken=not taken[node.name])
                left += [self.named(copied(inner)) for inner in graph_nodes(other)]
            inline_branches(self.model.graph, taken)
            self._index()
        return left

    def drop_nodes_without_kernel(self) -> tuple[dict[str, str], list[UncheckedNode]]:
        """Remove the nodes that the runtime cannot run, and all nodes that depend on them.

        Returns the dtypes of all values, and the removed nodes. Raises CandidateError if the
        runtime refuses the file for another reason.
        """
        removed: list[UncheckedNode] = []
        while produced := [name for node in self.nodes for name in node.outputs]:
            try:
                return self._own_dtypes() | self.expose(produced, {}).dtypes(), removed
            except CandidateError as error:
                found = _NO_KERNEL.search(str(error))
                if found is None:
                    raise
                removed += self._remove(found[1])
        return self._own_dtypes(), removed

    def _values(self, names: Iterable[str], feed: Feed) -> dict[str, Array]:
        wanted = dict.fromkeys(names)
        inner = [name for name in wanted if name not in feed and name not in self.stored]
        computed = self.expose(inner, {}).run(feed) if inner else {}
        stored = {name: self.read(name) for name in wanted if name in self.stored}
        return {**stored, **computed, **feed}

    def _index(self) -> None:
        store_constants(self.model.graph)
        self.nodes = [self.named(proto) for proto in self.model.graph.node]
        self.stored = {tensor.name: tensor for tensor in self.model.graph.initializer}

    def _own_dtypes(self) -> dict[str, str]:
        """Return the dtypes of inputs and initializers."""
        from onnx import TensorProto

        graph = self.model.graph
        kinds = {info.name: info.type.tensor_type.elem_type for info in graph.input}
        kinds |= {tensor.name: tensor.data_type for tensor in graph.initializer}
        names = {number: name.lower() for name, number in TensorProto.DataType.items()}
        renamed = {"float": "float32", "double": "float64"}
        return {name: renamed.get(names[kind], names[kind]) for name, kind in kinds.items()}

    def _remove(self, cause: str) -> list[UncheckedNode]:
        gone: dict[str, UncheckedNode] = {}
        lost: set[str] = set()
        for node in self.nodes:
            is_cause = f"{cause}.".startswith(f"{node.proto.name}.")
            if is_cause or not lost.isdisjoint(reads(node.proto)):
                lost |= set(node.outputs)
                reason = _NODE_WITHOUT if is_cause else _NODE_AFTER
                gone[node.proto.name] = UncheckedNode(node.name, node.operator, reason)
        if not gone:
            raise CandidateError(f"the runtime has no kernel for {cause}")
        remove_nodes(self.model.graph, set(gone))
        self._index()
        return list(gone.values())
