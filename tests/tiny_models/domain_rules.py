"""The rules of domains: examples visit every bound that a configuration states, and ordinary feeds.

They need a description alone, no model. What a bound or an ordinary feed is follows from the
configuration and from the names of inputs, not from the generators that are under test.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from harness.configs.axes import AxisExpression
from harness.configs.axis_space import AxisSpace, Bounds
from harness.configs.feeds import FeedKind, feed_kind, reach_number, seed_of
from harness.errors import UsageError
from harness.evidence.costs import DEFAULT_LIMITS
from harness.evidence.example import Example
from harness.evidence.exceptions import Violation
from harness.judge.domain import Domain
from harness.judge.examples import draw_examples

DRAWN = 30
LEAST_SHARE = 0.2
"""Of the corners, and of the drawn examples, so many have an ordinary feed."""

BOUNDS = (
    "attention_chunk_size",
    "attention_window",
    "block_size",
    "chunk_size",
    "floor_scale",
    "global_block_size",
    "local_radius",
    "mamba_chunk_size",
    "max_decoder_position_embeddings",
    "max_encoder_position_embeddings",
    "max_position_embeddings",
    "max_rel_pos",
    "max_relative_positions",
    "max_seq_len",
    "max_source_positions",
    "max_target_positions",
    "n_positions",
    "original_max_position_embeddings",
    "position_buckets",
    "relative_attention_max_distance",
    "sliding_window",
    "window_size",
)
"""Settings at which a model's positions end, or from which on it attends in another way."""

SPECIAL = ("bos", "cls", "decoder_start", "eos", "mask", "pad", "sep", "unk")
"""Special tokens that stand in no ordinary text but at its ends."""

PARAMETERS = 10**6
"""More than any tiny model has."""

_PAST_SIZES = (0, 3)


def violations_of_domain(config: Any) -> Iterator[Violation]:
    """Check the rules of one description that need no model."""
    drawn = _drawn_from(config.axis_space)
    yield from drawn.unvisited
    yield from _unreached_positions(config, drawn.examples)
    yield from _unknown_bounds(config)
    yield from _rare_ordinary_feeds(config, drawn.examples)
    yield from _costly_examples(config, drawn.examples)
    for one in (config, *config.parts.values()):
        yield from _strange_ordinary_feeds(one)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The examples of an axis space, and its bounds that they do not visit."""

    examples: tuple[Example, ...]
    unvisited: tuple[Violation, ...]


def _drawn_from(space: AxisSpace) -> _Drawn:
    """Draw once for all descriptions with the same axis space."""
    ranges = tuple(space.ranges.items())
    return _draw_once(ranges, space.ceilings, space.landmarks, space.reaches)


@functools.cache
def _draw_once(ranges: Any, ceilings: Bounds, landmarks: Bounds, reaches: int) -> _Drawn:
    space = AxisSpace(dict(ranges), ceilings, landmarks, reaches)
    examples = tuple(draw_examples(space, count=DRAWN, seed=0))
    return _Drawn(examples, tuple(unvisited_bounds(space, examples)))


def unvisited_bounds(space: AxisSpace, examples: Sequence[Example]) -> Iterator[Violation]:
    """Some example is just below each bound, some at it, and some beyond if the model goes on."""
    for expression, size in space.bounds:
        visited = {expression.evaluate(example.axes) for example in examples}
        for goal in (size - 1, size, size + 1):
            if goal not in visited and _is_admitted(space, expression, goal):
                yield Violation("visited-bounds", expression.text, f"no example has {goal}")


def _unreached_positions(config: Any, examples: Sequence[Example]) -> Iterator[Violation]:
    """Some example ends at the last position before each bound of positions."""
    reaches = config.position_reaches
    reaching = [e for e in examples if reaches and feed_kind(e.seed) is FeedKind.REACHING]
    # Corners come first and are short; drawn examples may be longer than a reach.
    one_each = {reach_number(e.seed) % len(reaches): e for e in reversed(reaching)}
    lasts = {
        int(config.generate_dummy_inputs(seed=e.seed, **e.axes)["position_ids"].max())
        for e in one_each.values()
    }
    for reach in reaches:
        if reach - 1 not in lasts:
            yield Violation("visited-bounds", "position_ids", f"none ends at {reach - 1}")


def _is_admitted(space: AxisSpace, expression: AxisExpression, goal: int) -> bool:
    """Whether an expression can have this value: by one axis, with the others at their least."""
    lows = {name: axis.low for name, axis in space.ranges.items()}
    for name in expression.names:
        try:
            size = expression.largest_size(name, lows, limit=goal)
            sizes = space.complete({**lows, name: size})
        except UsageError:
            continue
        if expression.evaluate(sizes) == goal:
            return True
    return False


def _unknown_bounds(config: Any) -> Iterator[Violation]:
    """The bounds of a description follow each setting that states one."""
    known = _bounds(config)
    for path, value in _stated(config.config.to_dict()):
        if all(_bounds(config, path, other) == known for other in _others(value)):
            yield Violation("stated-bounds", ".".join(path), f"{value} is no bound of the axes")


def _others(value: Any) -> tuple[Any, Any]:
    """Return a setting's double and its half: the smaller of two limits of one axis counts."""
    if isinstance(value, list):
        return [2 * one for one in value], [one // 2 for one in value]
    return 2 * value, value // 2


def _bounds(config: Any, path: Sequence[str] = (), value: object = None) -> object:
    """Return all bounds of a description, with another value of one setting if a path is given."""
    settings = copy.deepcopy(config.config)
    if path:
        _set(settings, path, value)
    other = type(config)(settings, task=config.task)
    return other.axis_space.bounds, tuple(other.position_reaches)


def _stated(settings: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path and the value of each setting that ends a domain."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from (((name, *path), found) for path, found in _stated(value))
        elif name in BOUNDS and value and (isinstance(value, list) or value > 1):
            yield (name,), value


def _set(settings: Any, path: Sequence[str], value: object) -> None:
    *parents, last = path
    for name in parents:
        settings = settings[name] if isinstance(settings, dict) else getattr(settings, name)
    if isinstance(settings, dict):
        settings[last] = value
    else:
        setattr(settings, last, value)


def _rare_ordinary_feeds(config: Any, examples: Sequence[Example]) -> Iterator[Violation]:
    """A fifth of the examples is ordinary, after a past and, if a file takes none, at past 0."""
    space = config.axis_space
    ordinary = [e for e in examples if feed_kind(e.seed) is FeedKind.ORDINARY]
    if len(ordinary) < LEAST_SHARE * len(examples):
        yield Violation("ordinary-examples", details=f"{len(ordinary)} of {len(examples)}")
    if config.past_axis in space.ranges:
        pasts = {e.axes[config.past_axis] > 0 for e in ordinary}
        expected = {True} if space.ranges[config.past_axis].low else {False, True}
        if pasts != expected:
            yield Violation("ordinary-examples", config.past_axis, "never 0, or never more")


def _costly_examples(config: Any, examples: Sequence[Example]) -> Iterator[Violation]:
    """The cost of each example can be estimated, and none is too costly for a tiny model."""
    domain = Domain(config, PARAMETERS, DEFAULT_LIMITS)
    try:
        costly = [example for example in examples if not domain.allows(example.axes)]
    except Exception as error:
        yield Violation("affordable-examples", details=f"no estimate: {error}")
        return
    if costly:
        yield Violation("affordable-examples", details=str(costly[0]))


def _strange_ordinary_feeds(config: Any) -> Iterator[Violation]:
    """Masks show all, tokens are plain and of one type, and positions follow the past."""
    seed = seed_of(FeedKind.ORDINARY, 1)
    for past in _PAST_SIZES:
        ranges = config.axis_space.ranges
        takes_past = config.past_axis in ranges
        if takes_past and past < ranges[config.past_axis].low:
            continue
        sizes = {config.past_axis: past} if takes_past else {}
        feed = config.generate_dummy_inputs(seed=seed, **sizes)
        for name, tensor in feed.items():
            if problem := _problem(config, name, tensor, past if takes_past else 0):
                yield Violation("ordinary-feeds", name, f"{problem}, past {past}")


def _problem(config: Any, name: str, tensor: torch.Tensor, past: int) -> str | None:
    """Return how the ordinary values of an input differ from what most users feed."""
    known = {*config.inputs[name], *config.fixed_sizes.get(name, {})}
    if tensor.is_floating_point() or tensor.ndim > len(known):
        return None  # pixels, caches and boxes have no commonest values
    if name in config.masks:
        return None if (tensor == 1).all() else "hides places"
    if name == "position_ids":
        expected = torch.arange(past, past + tensor.shape[-1])
        return None if (tensor == expected).all() else "is not consecutive after the past"
    if name.endswith("token_type_ids"):
        one_type = 0 if name == "token_type_ids" else tensor.flatten()[0]
        return None if (tensor == one_type).all() else "has several types"
    if name.endswith("attention_mask"):  # says which places are global
        return None if (tensor == tensor[:1]).all() else "differs by row"
    if name != "inputs" and not name.endswith("input_ids"):
        return None  # ids of another vocabulary than that of the special tokens
    special = torch.tensor(sorted(_special_ids(config.config.to_dict())))
    is_special = torch.isin(tensor[..., 1:-1], special)
    return "has special ids in the middle" if is_special.any() else None


def _special_ids(settings: Mapping[str, Any]) -> set[int]:
    own = {settings.get(f"{name}_token_id") for name in SPECIAL}
    nested = (_special_ids(value) for value in settings.values() if isinstance(value, dict))
    return {one for one in own.union(*nested) if isinstance(one, int)}
