"""The cache of a decoder as data: one entry for each tensor that a step returns and the next takes.

Names of cache tensors are composed and read in this module alone. Keys and values have the names of
Optimum (`past_key_values.3.key`, `present.3.key`), states the names in common use (`past_conv.0`,
`present_conv.0`). The number is the model's index of the layer.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from harness.configs.task_table import Axes

A = TypeVar("A")
Place = tuple[str, int | None]
"""An attribute of a layer of transformers' cache, and an index in it, or None."""

_PAST = re.compile(r"past_(?:key_values|(\w+))\.(\d+(?:\.\w+)*)", re.ASCII)
_PRESENT = re.compile(r"present(?:_(\w+))?\.(\d+(?:\.\w+)*)", re.ASCII)


class CacheKind(enum.Enum):
    """How a tensor of the cache changes from step to step.

    - `KEYS_VALUES`: grows along one axis by the tokens of the step.
    - `WINDOW`: grows like keys and values, up to one token less than the window of the layer.
    - `STATE`: has a fixed size and no length, such as the state of a convolution or a recurrence.
    - `CROSS`: is written by the first step and stays as it is.
    """

    KEYS_VALUES = "keys-values"
    WINDOW = "window"
    STATE = "state"
    CROSS = "cross"


class CacheSide(enum.Enum):
    """The cache of an encoder-decoder that holds a tensor; the value is its place in a name."""

    DECODER = "decoder"
    ENCODER = "encoder"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """One tensor of the cache.

    `name` is that of the input, `axes` are the input's dynamic axes, and `fixed` has the sizes of
    other axes if no generator knows them. transformers' cache holds the tensor in its layer number
    `layer` as `held`: an attribute, or an element of it, such as `conv_states[0]`. `side` is None
    if the model has a single cache. `window` is the number of tokens that a query sees, its own
    among them; None if the kind is not `WINDOW`.
    """

    name: str
    layer: int
    kind: CacheKind
    axes: Axes
    held: str
    side: CacheSide | None = None
    window: int | None = None
    fixed: Mapping[int, int] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        """The attribute of a layer that holds the tensor, and its index in that, if it has one."""
        attribute, bracket, rest = self.held.partition("[")
        return attribute, int(rest.removesuffix("]")) if bracket else None

    @property
    def present(self) -> str:
        """The name of the output."""
        return present_name(self.name)

    def grown(self, past: str, keys: str) -> Axes:
        """Return the axes of the output, in which a length `past` has become a length `keys`."""
        lengths = {kept_length(past, self.window): kept_length(keys, self.window)}
        return {axis: lengths.get(text, text) for axis, text in self.axes.items()}


def kept_length(length: str, window: int | None) -> str:
    """Return how many of the last `length` tokens a layer keeps, as an axis expression.

    A layer with a window needs no more than the keys that the next token sees
    (`DynamicSlidingWindowLayer` of transformers).
    """
    return length if window is None else f"min({length}, {window - 1})"


def keys_and_values(
    layer: int,
    axes: Axes,
    *,
    kind: CacheKind = CacheKind.KEYS_VALUES,
    side: CacheSide | None = None,
) -> Iterator[CacheEntry]:
    """Yield the entries of one attention layer: [batch, heads, length, head size] each."""
    place = f"{layer}.{side.value}" if side else str(layer)
    for word, held in (("key", "keys"), ("value", "values")):
        name = f"past_key_values.{place}.{word}"
        yield CacheEntry(name=name, layer=layer, kind=kind, axes=dict(axes), held=held, side=side)


def own_keys_and_values(
    layer: int, past: str, window: int | None, *, side: CacheSide | None = None
) -> Iterator[CacheEntry]:
    """Yield the entries of an attention layer that keeps the last tokens of its window.

    `past` is the axis of earlier tokens. A layer without a window keeps all of them.
    """
    kind = CacheKind.KEYS_VALUES if window is None else CacheKind.WINDOW
    axes = {0: "batch_size", 2: kept_length(past, window)}
    for entry in keys_and_values(layer, axes, kind=kind, side=side):
        yield replace(entry, window=window)


def state(layer: int, word: str, held: str, shape: Sequence[int]) -> CacheEntry:
    """Return the entry of a state of one layer: [batch, *shape], named `past_<word>.<layer>`."""
    return CacheEntry(
        name=f"past_{word}.{layer}",
        layer=layer,
        kind=CacheKind.STATE,
        axes={0: "batch_size"},
        held=held,
        fixed=dict(enumerate(shape, start=1)),
    )


def is_past(name: str) -> bool:
    """Whether an input has the name of a cache tensor."""
    return _PAST.fullmatch(name) is not None


def is_present(name: str) -> bool:
    """Whether an output has the name of a cache tensor."""
    return _PRESENT.fullmatch(name) is not None


def present_name(past: str) -> str:
    """Return the name of the output that the next step takes as the input `past`."""
    match = _PAST.fullmatch(past)
    if match is None:
        raise ValueError(f"{past!r} is no name of a cache tensor")
    return f"present_{match[1]}.{match[2]}" if match[1] else f"present.{match[2]}"


def past_name(present: str) -> str:
    """Return the name of the input that takes the output `present` of the step before."""
    match = _PRESENT.fullmatch(present)
    if match is None:
        raise ValueError(f"{present!r} is no name of a cache tensor")
    return f"past_{match[1] or 'key_values'}.{match[2]}"


def as_past(outputs: Mapping[str, A]) -> dict[str, A]:
    """Return the cache among the outputs of a step, under the names of the next step's inputs."""
    return {past_name(name): value for name, value in outputs.items() if is_present(name)}
