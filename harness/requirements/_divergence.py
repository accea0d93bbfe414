"""Where two ways to run a file part: the first node whose values differ."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from harness.evidence.evaluator import load_small
from harness.requirements._compare import compare

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from harness.configs.base import Feed
    from harness.evidence.reference import Arrays
    from harness.evidence.session import Loader, Run
    from harness.evidence.sides import PartEvidence

    Array = np.ndarray[Any, Any]

VANISHES = "the difference vanishes when the values of all nodes are asked for"

_NUMBERS = frozenset("biuf")
"""Kinds of numpy's dtypes that can be subtracted."""


class Divergence:
    """Runs files in two ways at once, with the values of all nodes as outputs, and gives what the
    trusted way does. An execution, so that a requirement examines with it.

    `told` is the first node whose values differ, or that nothing does, since asking for a value
    keeps an optimiser from fusing what computes it; None where one of the two did not run.
    """

    def __init__(self, *, suspect: Loader, trusted: Loader, atol: float) -> None:
        self.name = f"{suspect.name} beside {trusted.name}"
        self.told: str | None = None
        self._loaders = (suspect, trusted)
        self._atol = atol

    def open(self, part: PartEvidence) -> Run:
        model = load_small(part.loadable())
        exposed = exposing_all(model)
        suspect, trusted = (loader.load(exposed) for loader in self._loaders)

        def run(feed: Feed) -> Arrays:
            expected = trusted(feed)
            if self.told in {None, VANISHES}:
                self.told = self._compared(model.graph, suspect(feed), expected)
            return {output.name: expected[output.name] for output in model.graph.output}

        return run

    def _compared(self, graph: onnx.GraphProto, got: Arrays, expected: Arrays) -> str:
        """Where no output differs, what differs inside has no consequence."""
        names = [output.name for output in graph.output]
        before, after = ({name: side[name] for name in names} for side in (expected, got))
        if not compare(before, after, self._atol).findings:
            return VANISHES
        node = first_different(graph.node, got, expected, self._atol)
        return f"first differs at {named(node)}" if node is not None else VANISHES


def exposing_all(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that also returns what every node of its main graph computes, by its name."""
    import onnx

    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    known = {"", *(output.name for output in model.graph.output)}
    values = dict.fromkeys(name for node in model.graph.node for name in node.output)
    exposed.graph.output.extend(onnx.ValueInfoProto(name=n) for n in values if n not in known)
    return exposed


def first_different(
    nodes: Iterable[onnx.NodeProto], got: Arrays, expected: Arrays, atol: float
) -> onnx.NodeProto | None:
    """The first node, in the order of the graph, which is topological, with a value of another
    shape, dtype, NaN or infinity pattern, or off by more than atol times its magnitude.

    A tolerance is stated for outputs. Values on the way to them may be larger by orders of
    magnitude, and their rounding with them; smaller ones are judged as outputs are.
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
    return bool(compare({"": expected}, {"": got}, atol * float(magnitude)).findings)


def _is_numeric(value: object) -> bool:
    """Values of nodes may also be texts and sequences of tensors."""
    import numpy as np

    return isinstance(value, np.ndarray) and value.dtype.kind in _NUMBERS


def named(node: onnx.NodeProto) -> str:
    """A node by its name, or by what it computes where it has none."""
    return f"node `{node.name or node.output[0]}` ({node.op_type})"
