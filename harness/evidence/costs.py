"""The memory and operations that an example costs, estimated before it runs.

The estimate counts what grows with the axis sizes: attention scores, activations, logits and the
cache. It follows from the description's axes and the model's widths, and knows no model's name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.configs.axes import AxisExpression, AxisSizes
from harness.configs.cache_layout import is_past, is_present

if TYPE_CHECKING:
    from harness.configs.base import OnnxConfig
    from harness.configs.normalized_config import NormalizedConfig
    from harness.configs.task_table import Axes

_FLOAT = 4
_ONE = AxisExpression.parse("1")
_COPIES_OF_SCORES = 4
"""Scores, their softmax, the mask at the same size and a buffer of the runtime."""

_COPIES_OF_ACTIVATIONS = 16
"""States of a layer whose feed-forward is four times as wide."""

_COPIES_OF_OUTPUTS = 5
"""Eager's, the file's, and both sides in float64 with their difference, counted in float32."""


@dataclass(frozen=True, slots=True)
class ExampleCost:
    """Estimated peak memory in bytes, and multiply-adds of one forward call."""

    memory: int
    operations: int

    @property
    def work(self) -> int:
        """Multiply-adds and bytes together, which the time follows: a long cache is only copied."""
        return self.operations + self.memory


@dataclass(frozen=True, slots=True)
class ExampleLimits:
    """The largest cost of one example: memory in bytes, and multiply-adds of one forward call."""

    memory: int = 2 * 2**30
    operations: int = 10**12

    def allow(self, cost: ExampleCost) -> bool:
        """Whether an example of this cost may run."""
        return cost.memory <= self.memory and cost.operations <= self.operations


DEFAULT_LIMITS = ExampleLimits()


def estimate_cost(config: OnnxConfig, sizes: AxisSizes, *, parameters: int) -> ExampleCost:
    """Return the cost of an example of these axis sizes: of its dearest part, or of the whole.

    `parameters` is the number of parameters of the model.
    """
    described = {id(one): one for one in (config, *config.parts.values())}.values()
    costs = [_cost(one, _all_sizes(one, sizes), parameters) for one in described]
    return ExampleCost(max(c.memory for c in costs), max(c.operations for c in costs))


def _all_sizes(config: OnnxConfig, sizes: AxisSizes) -> dict[str, int]:
    """Return the given sizes, the smallest of other axes and the largest of derived ones."""
    smallest = {name: axis.low for name, axis in config.axis_space.ranges.items()}
    known = {**smallest, **sizes}
    most = {n: AxisExpression.parse(t).evaluate(known) for n, t in config.DERIVED_AXES.items()}
    return {**known, **most}


def _cost(config: OnnxConfig, sizes: AxisSizes, parameters: int) -> ExampleCost:
    model = config.normalized_config.of_modality("text")
    heads, layers = _width(model, "num_attention_heads"), _width(model, "num_layers")
    hidden = _width(model, "hidden_size")
    tokens = {n: a for n, a in config.inputs.items() if not is_past(n)}
    rows, queries, keys = _attention(config, tokens, sizes)
    scores = rows * heads * queries * keys
    activations = rows * queries * hidden
    outputs = sum(_elements(model, n, axes, sizes) for n, axes in config.outputs.items())
    past = sum(_elements(model, n, a, sizes) for n, a in config.inputs.items() if n not in tokens)
    floats = (
        _COPIES_OF_SCORES * scores
        + _COPIES_OF_ACTIVATIONS * activations
        + _COPIES_OF_OUTPUTS * (outputs + past)
    )
    operations = parameters * rows * queries + 2 * layers * hidden * rows * queries * keys
    return ExampleCost(_FLOAT * floats, operations)


def _attention(
    config: OnnxConfig, tokens: Mapping[str, Axes], sizes: AxisSizes
) -> tuple[int, int, int]:
    """Return the numbers of rows, of queries in a row, and of keys that a query sees."""
    if config.attended_positions is not None:
        positions = AxisExpression.parse(config.attended_positions).evaluate(sizes)
        first = (AxisExpression.parse(axes[min(axes)]) for axes in tokens.values() if axes)
        return max((one.evaluate(sizes) for one in first), default=1), positions, positions
    rows = max((rows for rows, _ in _shapes(tokens, sizes)), default=1)
    queries = max((length for _, length in _shapes(tokens, sizes, plain=True)), default=1)
    every = {**config.inputs, **config.outputs}
    return rows, queries, max((length for _, length in _shapes(every, sizes)), default=1)


def _shapes(
    values: Mapping[str, Axes], sizes: AxisSizes, *, plain: bool = False
) -> Iterator[tuple[int, int]]:
    """Yield rows and length of each value with two dynamic axes or more.

    The length is the size of the last dynamic axis. With `plain`, lengths that are sums are left
    out: a mask over past and tokens is longer than the number of queries.
    """
    for axes in values.values():
        *rows, last = [AxisExpression.parse(axes[axis]) for axis in sorted(axes)] or [_ONE]
        if rows and (last.is_plain or not plain):
            yield math.prod(row.evaluate(sizes) for row in rows), last.evaluate(sizes)


def _elements(model: NormalizedConfig, name: str, axes: Axes, sizes: AxisSizes) -> int:
    """Return the number of elements of an output or a cache tensor."""
    dynamic = math.prod(AxisExpression.parse(text).evaluate(sizes) for text in axes.values())
    if is_past(name) or is_present(name):
        return dynamic * _width(model, "num_key_value_heads") * _width(model, "head_dim")
    return dynamic * _width(model, "vocab_size" if name == "logits" else "hidden_size")


def _width(model: NormalizedConfig, name: str) -> int:
    """Return a width of the model; 1 if it has no such width."""
    value = getattr(model, name, None)
    return value if isinstance(value, int) and value > 0 else 1
