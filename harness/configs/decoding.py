"""How a decoder takes its tokens: some at once, the following ones with the cache of those before.

A description says which axes of its inputs are over tokens; everything here follows from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Protocol, TypeVar

from harness.configs.axes import AxisExpression
from harness.configs.cache_layout import as_past, is_past
from harness.configs.feeds import Feed, RunPart
from harness.configs.task_table import Axes
from harness.errors import DescriptionError

A = TypeVar("A")


class Decoder(Protocol):
    """The statements of a description that its steps follow from."""

    STEP_AXIS: ClassVar[str]

    @property
    def inputs(self) -> Mapping[str, Axes]: ...

    @property
    def outputs(self) -> Mapping[str, Axes]: ...

    @property
    def parts(self) -> Mapping[str, object]: ...

    @property
    def past_axis(self) -> str: ...


def spans(ends: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where each step begins and ends, counted in tokens."""
    return pairwise((0, *ends))


def half_then_single(length: int) -> tuple[int, ...]:
    """The ends of a step over the first half of the tokens, and of one for each that follows."""
    return tuple(range((length + 1) // 2, length + 1))


def token_count(config: Decoder, feed: Mapping[str, Any]) -> int:
    """How many tokens a feed of the whole holds; raises DescriptionError without their axis."""
    for name, axes in config.inputs.items():
        if (axis := token_axis(config, axes)) is not None:
            return int(feed[name].shape[axis])
    raise DescriptionError(f"{type(config).__name__}: no input has the axis {config.STEP_AXIS!r}")


def slice_tokens(config: Decoder, feed: Mapping[str, A], *, start: int, end: int) -> dict[str, A]:
    """What a step over the tokens from `start` to `end` takes of a feed of the whole, but for the
    past."""
    return {
        name: cut(config, feed[name], axes, start=start, end=end)
        for name, axes in config.inputs.items()
        if not is_past(name)
    }


def empty_past(config: Decoder, feed: Mapping[str, A]) -> dict[str, A]:
    """The past of a feed, without the tokens in it."""
    return {
        name: cut(config, feed[name], axes, start=0, end=0)
        for name, axes in config.inputs.items()
        if is_past(name)
    }


def compose_steps(config: Decoder, feed: Feed, run: RunPart, ends: Sequence[int]) -> Feed:
    """What a decoder of one file gives for a feed of the whole, run step by step from no past.

    Outputs over tokens are those of all steps, others those of the last one.
    """
    import numpy as np

    (stem,) = config.parts
    past = empty_past(config, feed)
    steps: list[Feed] = []
    for start, end in spans(ends):
        steps.append(run(stem, {**slice_tokens(config, feed, start=start, end=end), **past}))
        past = as_past(steps[-1])
    along = {name: token_axis(config, axes) for name, axes in config.outputs.items()}
    return {
        name: steps[-1][name] if axis is None else np.concatenate([s[name] for s in steps], axis)
        for name, axis in along.items()
    }


def axis_of(axes: Axes, text: str) -> int | None:
    """The index of the axis that is declared with this text."""
    return next((axis for axis, declared in axes.items() if declared == text), None)


def token_axis(config: Decoder, axes: Axes) -> int | None:
    """Return the index of the axis over the tokens of a step, or None."""
    over = (axis for axis, text in axes.items() if _names(text) == {config.STEP_AXIS})
    return next(over, None)


def _names(text: str) -> set[str]:
    return set(AxisExpression.parse(text).names)


def cut(config: Decoder, array: Any, axes: Axes, *, start: int, end: int) -> Any:
    """What a step from `start` to `end` has of an array or tensor of the whole: of an axis over
    tokens those of the step, of the past what is before it, of both what is before its end."""
    index = [slice(None)] * array.ndim
    for axis, text in axes.items():
        names = _names(text)
        if names == {config.STEP_AXIS}:
            index[axis] = slice(start, end)
        elif config.STEP_AXIS in names:
            index[axis] = slice(end)
        elif config.past_axis in names:
            index[axis] = slice(start)
    return array[tuple(index)]
