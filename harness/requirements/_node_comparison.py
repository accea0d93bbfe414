"""Find the first node whose values differ between two ways to run a file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from harness.evidence.evaluator import load_small
from harness.evidence.tolerance import Tolerance
from harness.requirements.shared.comparison import compare

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from harness.configs.feeds import Feed
    from harness.evidence.eager_part import EagerPart
    from harness.evidence.execution import Loader
    from harness.evidence.part_file import PartFile
    from harness.evidence.reference import Arrays
    from harness.evidence.session import Run

    Array = np.ndarray[Any, Any]

VANISHES = "the difference disappears when the values of all nodes are outputs of the graph"

_NUMBERS = frozenset("biuf")
"""Kinds of numpy dtypes that can be subtracted."""


class NodeComparison:
    """Execution that runs each file in two ways, with the values of all nodes as outputs, and
    returns the outputs of the trusted way. A requirement examines an example with it.

    `result` is a text that names the first node with different values, or `VANISHES`: a value that
    is an output cannot be fused by an optimiser, which may remove the difference. None if one of
    the two ways did not run.
    """

    def __init__(self, *, suspect: Loader, trusted: Loader, tolerance: Tolerance) -> None:
        self.name = f"{suspect.name} compared with {trusted.name}"
        self.result: str | None = None
        self._loaders = (suspect, trusted)
        self._tolerance = tolerance

    def open(self, file: PartFile, eager: EagerPart) -> Run:
        model = load_small(file.loadable_path())
        exposed = expose_all_values(model)
        suspect, trusted = (loader.load(exposed) for loader in self._loaders)

        def run(feed: Feed) -> Arrays:
            expected = trusted(feed)
            if self.result in {None, VANISHES}:
                self.result = self._first_difference(model.graph, suspect(feed), expected)
            return {output.name: expected[output.name] for output in model.graph.output}

        return file.run_part(run)

    def _first_difference(self, graph: onnx.GraphProto, got: Arrays, expected: Arrays) -> str:
        """Name the first different node; `VANISHES` if no output of the graph differs."""
        names = [output.name for output in graph.output]
        before, after = ({name: side[name] for name in names} for side in (expected, got))
        if not compare(before, after, self._tolerance).findings:
            return VANISHES
        node = first_different_node(graph.node, got, expected, self._tolerance.largest)
        return f"the values first differ at {node_label(node)}" if node is not None else VANISHES


def expose_all_values(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of the model whose outputs include every value of its main graph."""
    import onnx

    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    known = {"", *(output.name for output in model.graph.output)}
    values = dict.fromkeys(name for node in model.graph.node for name in node.output)
    exposed.graph.output.extend(onnx.ValueInfoProto(name=n) for n in values if n not in known)
    return exposed


def first_different_node(
    nodes: Iterable[onnx.NodeProto], got: Arrays, expected: Arrays, atol: float
) -> onnx.NodeProto | None:
    """Return the first node in topological order with a different value, or None.

    A value is different if its shape, dtype or NaN or infinity pattern differs, or if it differs by
    more than atol x max(1, largest finite magnitude of the expected value). The tolerance is
    declared for outputs; inner values, and so their rounding errors, may be orders of magnitude
    larger.
    """
    for node in nodes:
        for name in node.output:
            if name in got and _differs(got[name], expected[name], atol):
                return node
    return None


def _differs(got: Array, expected: Array, atol: float) -> bool:
    import numpy as np

    if not (_is_numeric(got) and _is_numeric(expected)):
        return False
    magnitude = np.abs(expected[np.isfinite(expected)].astype(np.float64)).max(initial=1.0)
    allowed = Tolerance.given(atol * float(magnitude))
    return bool(compare({"": expected}, {"": got}, allowed).findings)


def _is_numeric(value: object) -> bool:
    """Whether a node value is a numeric array; it may also be strings or a sequence of tensors."""
    import numpy as np

    return isinstance(value, np.ndarray) and value.dtype.kind in _NUMBERS


def node_label(node: onnx.NodeProto) -> str:
    """Return the node's name, or else the name of its first output, and its operator."""
    return f"node `{node.name or node.output[0]}` ({node.op_type})"
