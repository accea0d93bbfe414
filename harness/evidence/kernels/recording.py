"""The values that nodes read and return in a run, a few nodes at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.evidence.kernels.call import Call
from harness.evidence.kernels.exposed import fed_name, numpy_dtype, separated
from harness.evidence.kernels.half_operators import HALVES

if TYPE_CHECKING:
    import numpy as np

    from harness.configs.feeds import Feed
    from harness.evidence.kernels.graphs import KernelNode
    from harness.evidence.kernels.rules import Rule
    from harness.evidence.kernels.source import Source
    from harness.evidence.reference import Arrays

    Array = np.ndarray[Any, Any]

BUDGET = 256 * 2**20
"""Bytes of values that are kept at once."""

FIRST_BATCH = 64
"""Nodes of the first run, whose values have unknown sizes."""


@dataclass(frozen=True, slots=True)
class JudgedNode:
    """A node with codes or half-precision values, and the rule for its results."""

    node: KernelNode
    rule: Rule


def record(
    source: Source,
    judged: Sequence[JudgedNode],
    feed: Feed,
    *,
    dtypes: Mapping[str, str],
) -> Iterator[tuple[Sequence[JudgedNode], Arrays]]:
    """Yield nodes with the values that they read and return when the file runs on a feed.

    Each batch is a run of the whole file; its size follows from the bytes of the batches before it.
    """
    size, start = FIRST_BATCH, 0
    while start < len(judged):
        batch = _within_budget(source, judged[start : start + size])
        wanted = dict.fromkeys(name for one in batch for name in one.node.values)
        inner = [name for name in wanted if name not in feed and name not in source.stored]
        values = {**source.expose(inner, dtypes).run(feed), **feed}
        yield batch, values
        start += len(batch)
        used = sum(values[name].nbytes for name in inner)
        size = max(1, min(4 * size, int(BUDGET / max(used / len(batch), 1))))


def _within_budget(source: Source, judged: Sequence[JudgedNode]) -> Sequence[JudgedNode]:
    """Return the first nodes, as many as return less than the budget from stored codes alone."""
    used = 0
    for count, one in enumerate(judged):
        inputs = [name for name in one.node.proto.input if name]
        if all(name in source.stored for name in inputs):
            used += 4 * max((math.prod(source.stored[name].dims) for name in inputs), default=0)
        if used > BUDGET:
            return judged[: max(count, 1)]
    return judged


def calls(
    source: Source, batch: Sequence[JudgedNode], values: Arrays, *, dtypes: Mapping[str, str]
) -> Iterator[tuple[JudgedNode, Call, Mapping[str, Array]]]:
    """Yield each node with its call and its results by name.

    The runtime may keep float32 between two nodes in half precision, so the recorded inputs of such
    a node are not all that it read. It is run again, alone, on the recorded ones.
    """
    alone = [one for one in batch if one.rule.references and is_half(one, dtypes)]
    results = _run_alone(source, alone, values, dtypes) if alone else {}
    for one in batch:
        own = {name: (results if name in results else values)[name] for name in one.node.outputs}
        yield one, call_of(source, one, values, dtypes), own


def call_of(source: Source, one: JudgedNode, values: Arrays, dtypes: Mapping[str, str]) -> Call:
    """Return the call of a node, with its recorded and stored inputs."""
    proto = one.node.proto
    inputs = [None if not name else _value(source, values, name) for name in proto.input]
    kinds = [numpy_dtype(dtypes[name]) if name else None for name in proto.output]
    return Call(proto, tuple(inputs), tuple(kinds), source.opsets)


def is_half(one: JudgedNode, dtypes: Mapping[str, str]) -> bool:
    """Whether a node reads or returns half-precision values."""
    return any(dtypes.get(name) in HALVES for name in one.node.values)


def _run_alone(
    source: Source, judged: Sequence[JudgedNode], values: Arrays, dtypes: Mapping[str, str]
) -> Arrays:
    feed: dict[str, Array] = {}
    nodes = []
    for one in judged:
        proto = one.node.proto
        fed = {
            position: dtypes[name]
            for position, name in enumerate(proto.input)
            if name and name not in source.stored
        }
        feed |= {fed_name(proto, n): values[proto.input[n]] for n in fed}
        nodes.append((proto, fed))
    outputs = {name: dtypes[name] for one in judged for name in one.node.outputs}
    return source.load(separated(source.model, nodes, outputs), outputs).run(feed)


def _value(source: Source, values: Arrays, name: str) -> Array:
    return values[name] if name in values else source.read(name)
