"""The rule of caches: a description lists each tensor of the cache that eager really makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from harness.configs.axes import shape_problems
from harness.configs.cache_layout import CacheSide, Place
from harness.evidence.exceptions import Violation
from harness.evidence.reference import call_reference

Found = dict[tuple[CacheSide | None, int, Place], torch.Tensor]


def violations_of_cache(model: Any, config: Any) -> Iterator[Violation]:
    """Compare the declared cache of the first part that returns one with the cache of a call."""
    part = next((part for part in config.parts.values() if part.use_past), None)
    if part is None:
        return
    past = part.axis_space.ranges.get(part.past_axis)
    sizes = {part.past_axis: 0} if past is not None and past.low == 0 else {}
    returned: list[Any] = []
    hook = model.register_forward_hook(lambda module, args, outputs: returned.append(outputs))
    feed = part.generate_dummy_inputs(**sizes)
    try:
        call_reference(model, part, feed)
    finally:
        hook.remove()
    made = _tensors_of(getattr(returned[-1], part.call.cache))
    declared = {(e.side, e.layer, e.place): e for e in part.cache}
    for key in made.keys() ^ declared.keys():
        side, layer, (attribute, index) = key
        place = f"layer {layer} {attribute}{'' if index is None else [index]}"
        got = "not declared" if key in made else "not in eager's cache"
        yield Violation("cache-layout", f"{side.value} {place}" if side else place, got)
    for key in made.keys() & declared.keys():
        shape = made[key].shape
        if any(shape[axis] != size for axis, size in declared[key].fixed.items()):
            details = f"eager has {tuple(shape)}, declared are {dict(declared[key].fixed)}"
            yield Violation("cache-layout", declared[key].name, details)
    present = {entry.present: made[key].shape for key, entry in declared.items() if key in made}
    axes = {name: part.outputs[name] for name in present if name in part.outputs}
    known = part.axis_space.complete(sizes) | part.derived_sizes(feed)
    for problem in shape_problems(axes, present, known):
        yield Violation("cache-layout", "*", problem)


def _tensors_of(cache: Any) -> Found:
    """Return every tensor of transformers' cache by its place.

    A private tensor of a layer is a setting, such as the length of its window.
    """
    sides: Mapping[CacheSide | None, Any] = {None: cache}
    if hasattr(cache, "cross_attention_cache"):
        sides = {
            CacheSide.DECODER: cache.self_attention_cache,
            CacheSide.ENCODER: cache.cross_attention_cache,
        }
    found: Found = {}
    for side, one in sides.items():
        for number, layer in enumerate(one.layers):
            for attribute, held in vars(layer).items():
                if attribute.startswith("_"):
                    continue
                values = held.items() if isinstance(held, dict) else [(None, held)]
                for index, value in values:
                    if torch.is_tensor(value):
                        found[side, number, (attribute, index)] = value
    return found
