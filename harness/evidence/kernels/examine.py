"""Does the runtime compute what the operators of a file define, node by node?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.evidence.kernels.call import Call, NoReferenceError
from harness.evidence.kernels.capabilities import read_capabilities
from harness.evidence.kernels.comparison import OutputDifference, compare_node
from harness.evidence.kernels.graphs import KernelNode, inner_nodes
from harness.evidence.kernels.recording import JudgedNode, calls, record
from harness.evidence.kernels.results import (
    KernelFinding,
    KernelResults,
    LargestDifference,
    OperatorResult,
    UncheckedNode,
)
from harness.evidence.kernels.rows import RowComparison
from harness.evidence.kernels.rules import Rule, rule_of
from harness.evidence.kernels.source import Source

if TYPE_CHECKING:
    import numpy as np

    from harness.configs.feeds import Feed

    Array = np.ndarray[Any, Any]


def examine_kernels(
    path: Path,
    feed: Feed,
    *,
    session_options: Mapping[str, str] | None = None,
    nodes: Collection[str] | None = None,
    optimised: bool = False,
) -> KernelResults:
    """Run a file on a feed, and compare each node with codes or half-precision values.

    A node is compared with the definition of its operator, on the inputs that it really read.
    `session_options` are entries such as `{"session.x64quantprecision": "1"}`. `nodes` limits the
    comparison to names of nodes; the name of a nameless node is its first output. `optimised` runs
    the nodes that remain when the inner values are outputs of an optimised graph.

    The caller must have checked before that external data lies inside the file's folder. Raises
    CandidateError if the runtime refuses the file or the feed.
    """
    entries = dict(session_options or {})
    source = Source(path, entries=entries, optimised=optimised)
    dtypes, removed = source.drop_nodes_without_kernel()
    left = source.take_branches(feed)
    if left:
        dtypes, more = source.drop_nodes_without_kernel()
        removed += more
    judged = [one for one in _judged(source, dtypes) if nodes is None or one.node.name in nodes]
    tally, rows = Tally(), RowComparison(source, feed, dtypes=dtypes)
    for batch, values in record(source, judged, feed, dtypes=dtypes):
        for one, call, results in calls(source, batch, values, dtypes=dtypes):
            tally.add(one, call, results)
        rows.add(batch, values)
    return KernelResults(
        operators=tally.operators(),
        findings=(*tally.findings, *rows.findings),
        unchecked=(*tally.unchecked, *_hidden(source, left, dtypes)),
        without_kernel=tuple(removed),
        rows=rows.result(),
        capabilities=read_capabilities(entries, optimised=optimised),
    )


def _judged(source: Source, dtypes: Mapping[str, str]) -> Iterator[JudgedNode]:
    """Yield the nodes with codes or half-precision values, in topological order."""
    for node in source.nodes:
        rule = _rule(node, dtypes)
        if rule is not None and all(name in dtypes for name in node.values):
            yield JudgedNode(node, rule)


def _hidden(
    source: Source, left: Sequence[KernelNode], dtypes: Mapping[str, str]
) -> Iterator[UncheckedNode]:
    """Yield the nodes whose values cannot be outputs: in loops, in other branches, no tensors."""
    nested = [proto for node in source.nodes for proto in inner_nodes(node.proto)]
    lists = [n for n in source.nodes if any(name not in dtypes for name in n.values)]
    places = [(source.named(proto), "it is in a loop") for proto in nested]
    places += [(node, "it is in a branch that this feed does not take") for node in left]
    places += [(node, "it reads or returns a value that is no tensor") for node in lists]
    for node, reason in places:
        if _rule(node, dtypes) is not None:
            yield UncheckedNode(node.name, node.operator, reason)


def _rule(node: KernelNode, dtypes: Mapping[str, str]) -> Rule | None:
    return rule_of(node.proto, {dtypes[name] for name in node.values if name in dtypes})


class Tally:
    """Collects the differences of all nodes."""

    def __init__(self) -> None:
        self.findings: list[KernelFinding] = []
        self.unchecked: list[UncheckedNode] = []
        self._nodes: dict[str, int] = defaultdict(int)
        self._checked: dict[str, int] = defaultdict(int)
        self._largest: dict[tuple[str, str], LargestDifference] = {}

    def add(self, one: JudgedNode, call: Call, results: Mapping[str, Array]) -> None:
        """Compare a node and keep what it shows."""
        name, operator = one.node.name, one.node.operator
        self._nodes[operator] += 1
        try:
            compared = compare_node(one.rule, call, results)
        except NoReferenceError as error:
            self.unchecked.append(UncheckedNode(name, operator, str(error)))
            return
        self._checked[operator] += 1
        for output in compared:
            self._keep(name, operator, output)

    def operators(self) -> tuple[OperatorResult, ...]:
        """Return the results by operator, in alphabetical order."""
        return tuple(
            OperatorResult(
                operator,
                count,
                self._checked[operator],
                tuple(kept for (of, _), kept in sorted(self._largest.items()) if of == operator),
            )
            for operator, count in sorted(self._nodes.items())
        )

    def _keep(self, name: str, operator: str, output: OutputDifference) -> None:
        measured = output.difference
        if not output.holds:
            self.findings.append(output.finding(name, operator))
        before = self._largest.get((operator, measured.unit))
        if before is None or measured.value > before.value:
            cause = name if measured.value else None
            self._largest[operator, measured.unit] = LargestDifference(
                measured.unit, measured.value, output.bound, cause
            )
