"""The entries of a decoder's cache by experiment: kinds, axes, and where eager holds them.

The cache is the one that eager makes for itself. Its tensors are outputs of the experiment on axes;
a step after a prompt tells which of them grow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.configs.cache_layout import CacheEntry, CacheKind, keys_and_values, state
from harness.inference.experiments.cache_tensors import KEYS, STATE_WORDS, VALUES, Held, name_of
from harness.inference.experiments.inferred_axes import InferredAxes, OutputAxis

if TYPE_CHECKING:
    import torch

Tensors = Mapping[Held, "torch.Tensor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundEntry:
    """A tensor of the cache as a description lists it, its axes as expressions over labels."""

    entry: CacheEntry


def find_entries(before: Tensors, after: Tensors, axes: InferredAxes) -> tuple[FoundEntry, ...]:
    """Return an entry for each tensor of a cache.

    `before` is the cache of a prompt, and `after` that of one step more. The tensors are outputs of
    the experiment `axes`, by `name_of`.
    """
    found: list[FoundEntry] = []
    for held in before:
        attribute, _ = held[2]
        outputs = axes.outputs[name_of(held)]
        if attribute == KEYS:
            values = (*held[:2], (VALUES, None))
            found += _of_attention(held, outputs, axes.outputs[name_of(values)], before, after)
        elif attribute in STATE_WORDS:
            found.append(FoundEntry(entry=_of_state(held, outputs)))
    return tuple(found)


def _of_attention(
    held: Held,
    keys: tuple[OutputAxis, ...],
    values: tuple[OutputAxis, ...],
    before: Tensors,
    after: Tensors,
) -> list[FoundEntry]:
    side, layer, _ = held
    end = _end(keys)
    kind = _kind(held, before, after, is_cut=end is not None)
    window = end + 1 if end is not None and kind is CacheKind.WINDOW else None
    entries = keys_and_values(layer, {}, kind=kind, side=side)
    return [
        FoundEntry(entry=replace(entry, axes=_changing(axes), fixed=_constant(axes), window=window))
        for entry, axes in zip(entries, (keys, values), strict=True)
    ]


def _of_state(held: Held, axes: tuple[OutputAxis, ...]) -> CacheEntry:
    _, layer, (attribute, index) = held
    entry = state(layer, STATE_WORDS[attribute], f"{attribute}[{index or 0}]", ())
    return replace(entry, axes=_changing(axes), fixed=_constant(axes))


def _kind(held: Held, before: Tensors, after: Tensors, *, is_cut: bool) -> CacheKind:
    """Return the kind of keys, which are cut to a window or not.

    Keys of the encoder's output stay as they are in a step.
    """
    import torch

    if held in after and torch.equal(before[held], after[held]):
        return CacheKind.CROSS
    return CacheKind.WINDOW if is_cut else CacheKind.KEYS_VALUES


def _changing(axes: tuple[OutputAxis, ...]) -> dict[int, str]:
    """Return axis index -> expression, for the axes that are not constant."""
    return {index: str(axis) for index, axis in enumerate(axes) if not axis.is_constant}


def _constant(axes: tuple[OutputAxis, ...]) -> dict[int, int]:
    """Return axis index -> size, for the axes that are constant."""
    return {index: axis.first for index, axis in enumerate(axes) if axis.is_constant}


def _end(axes: tuple[OutputAxis, ...]) -> int | None:
    """Return the size at which one of the axes stops growing, None if none does."""
    ends = (form.end for axis in axes for form in axis.forms[:1])
    return next((end for end in ends if end is not None), None)
