"""Feeds whose rows are padded in every way, and the places that a mask hides."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.configs.axes import AxisExpression
from harness.requirements._movement import grown

if TYPE_CHECKING:
    import numpy as np
    import torch

    from harness.configs.base import OnnxConfig
    from harness.configs.task_table import Axes
    from harness.evidence.sides import Example

PATTERNS = ("ones", "right", "left", "hole", "none")
"""What a row of a mask hides: nothing, its end, its start, some of its middle, or all of it."""

_LENGTH = 4
_ROWS = 2 * len(PATTERNS)

Tensors = Mapping[str, "torch.Tensor"]


@dataclass(frozen=True, slots=True)
class PaddedFeed:
    """A feed in which one mask has all patterns, row after row.

    `hidden` has the places of other inputs that the mask hides and that hold arbitrary values. In
    every second set of patterns they hold what a preprocessor pads with, so that a model which
    looks for the last token finds one that is shown.
    """

    mask: str
    axes: Axes
    example: Example
    tensors: Tensors
    hidden: Tensors

    def rows(self, pattern: str, axes: Axes, rank: int) -> np.ndarray[Any, Any]:
        """Where an output of these axes belongs to rows of a pattern."""
        numbers = _row_numbers(self.tensors[self.mask]) % len(PATTERNS)
        return self._placed(numbers == PATTERNS.index(pattern), axes, rank)

    def untested(
        self, redrawn: Tensors, inputs: Mapping[str, Axes], axes: Axes, rank: int
    ) -> np.ndarray[Any, Any]:
        """Where an output of these axes belongs to rows that are hidden throughout and that a
        redraw left as they were, as it leaves special ids: nothing was shown of those."""
        *rows, _ = _texts(self.axes)
        is_untested: Any = ~self.tensors[self.mask].numpy().any(axis=-1)
        for name in self.hidden:
            is_changed = (redrawn[name] != self.tensors[name]).numpy()
            is_untested = is_untested & ~_by_rows(is_changed, inputs[name], rows)
        return self._placed(is_untested, axes, rank)

    def _placed(self, of_rows: np.ndarray[Any, Any], axes: Axes, rank: int) -> np.ndarray[Any, Any]:
        """What holds of rows of the mask, laid out for an output; nowhere if that has no rows."""
        import numpy as np

        placed = _aligned(of_rows, _texts(self.axes)[:-1], axes, rank)
        return np.array(False) if placed is None else placed


def padded_feed(config: OnnxConfig, mask: str, example: Example) -> PaddedFeed:
    """The feed of an example that has at least two rows of each pattern and four places."""
    import torch

    axes = config.inputs[mask]
    example = grown(config, example, _least(axes, example.axes))
    tensors = config.generate_dummy_inputs(seed=example.seed, **example.axes)
    generator = torch.Generator().manual_seed(example.seed)
    shown = _patterned(tensors[mask].shape, generator)
    tensors[mask] = shown.to(tensors[mask].dtype)
    hidden = ~shown.numpy()
    is_second = _row_numbers(shown) // len(PATTERNS) % 2 == 1
    is_padded = (is_second & ~hidden.all(-1))[..., None]
    padded, arbitrary = (
        dict(_places(config, mask, tensors, where, example.axes))
        for where in (hidden & is_padded, hidden & ~is_padded)
    )
    return PaddedFeed(mask, axes, example, config.pad(tensors, padded), arbitrary)


def _least(axes: Axes, sizes: Mapping[str, int]) -> dict[str, int]:
    """Sizes at which a mask of these axes has room for all patterns."""
    *rows, last = (AxisExpression.parse(text) for text in _texts(axes))
    name = _in_order(last)[-1]
    least = {name: _LENGTH - last.evaluate(sizes) + sizes[name]}
    if rows:
        others = math.prod(expression.evaluate(sizes) for expression in rows[1:])
        least[rows[0].names[0]] = math.ceil(_ROWS / others)
    return least


def _patterned(shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
    """True where a place is shown; the patterns follow each other over the rows."""
    import torch

    length = shape[-1]
    shown = torch.ones(math.prod(shape[:-1]), length, dtype=torch.bool)
    cuts = torch.randint(1, length, (len(shown),), generator=generator).tolist()
    for row, cut in enumerate(cuts):
        match PATTERNS[row % len(PATTERNS)]:
            case "right":
                shown[row, cut:] = False
            case "left":
                shown[row, :cut] = False
            case "hole":
                shown[row, 1:-1] = torch.rand(length - 2, generator=generator) < 0.5
                shown[row, 1 + cut % (length - 2)] = False
            case "none":
                shown[row] = False
    return shown.reshape(tuple(shape))


def _places(
    config: OnnxConfig,
    mask: str,
    tensors: Tensors,
    hidden: np.ndarray[Any, Any],
    sizes: Mapping[str, int],
) -> Iterator[tuple[str, torch.Tensor]]:
    """The places of each other input that shares the axes of a mask, where that hides them."""
    import torch

    *rows, last = _texts(config.inputs[mask])
    for name, axes in config.inputs.items():
        if name in config.masks:
            continue
        for text, span in _spans(last, sizes).items():
            places = _aligned(hidden[..., span], [*rows, text], axes, tensors[name].ndim)
            if places is not None:
                yield name, torch.from_numpy(places)


def _spans(text: str, sizes: Mapping[str, int]) -> dict[str, slice]:
    """Whose the columns of a mask over `text` are: over `past + tokens`, its first ones hide
    places of the past, and its last ones of the tokens."""
    expression = AxisExpression.parse(text)
    spans, start = {text: slice(None)}, 0
    if expression.constant == 0 and all(factor == 1 for _, factor in expression.terms):
        for name in _in_order(expression):
            spans[name] = slice(start, start + sizes[name])
            start += sizes[name]
    return spans


def _in_order(expression: AxisExpression) -> list[str]:
    """The names of a sum as it is written."""
    return [name for name in re.findall(r"\w+", expression.text) if name in expression.names]


def _texts(axes: Axes) -> list[str]:
    return [axes[axis] for axis in sorted(axes)]


def _row_numbers(mask: torch.Tensor) -> np.ndarray[Any, Any]:
    import numpy as np

    return np.arange(math.prod(mask.shape[:-1])).reshape(mask.shape[:-1])


def _by_rows(array: np.ndarray[Any, Any], axes: Axes, rows: Sequence[str]) -> np.ndarray[Any, Any]:
    """Whether anything holds in each row, of an array that has the rows among its axes."""
    at = {text: axis for axis, text in axes.items()}
    kept = [at[name] for name in rows]
    others = tuple(axis for axis in range(array.ndim) if axis not in kept)
    found: Any = array.any(axis=others)
    ordered: np.ndarray[Any, Any] = found.transpose([sorted(kept).index(axis) for axis in kept])
    return ordered


def _aligned(
    array: np.ndarray[Any, Any], names: Sequence[str], axes: Axes, rank: int
) -> np.ndarray[Any, Any] | None:
    """An array whose axes have these names, laid out to broadcast to a tensor that has them among
    its `axes`; None where it does not."""
    at = {text: axis for axis, text in axes.items()}
    if not set(names) <= set(at):
        return None
    order = sorted(range(len(names)), key=lambda index: at[names[index]])
    shape = [1] * rank
    for index in order:
        shape[at[names[index]]] = array.shape[index]
    return array.transpose(order).reshape(shape)
