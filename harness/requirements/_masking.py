"""Feeds whose rows are padded in every way, and the input positions that a mask hides."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.configs.axes import AxisExpression
from harness.configs.feeds import is_ordinary
from harness.requirements._movement import enlarged

if TYPE_CHECKING:
    import numpy as np
    import torch

    from harness.configs.base import OnnxConfig
    from harness.configs.task_table import Axes
    from harness.evidence.example import Example

PATTERNS = ("ones", "right", "left", "hole", "none")
"""Padding patterns of a mask row: it hides nothing, the end, the start, parts of the middle, or the
whole row."""

_END_PATTERNS = ("ones", "right")
_LENGTH = 4

Tensors = Mapping[str, "torch.Tensor"]


@dataclass(frozen=True, slots=True)
class PaddedFeed:
    """A feed in which the rows of one mask have the patterns in turn.

    `hidden` maps input names to the positions that the mask hides and that hold arbitrary values.
    In every second set of patterns, the hidden positions hold the preprocessor's padding value
    instead, so that a model that looks for the last token finds a visible one.
    """

    mask: str
    axes: Axes
    example: Example
    tensors: Tensors
    hidden: Tensors
    patterns: tuple[str, ...]

    def rows(self, pattern: str, axes: Axes, rank: int) -> np.ndarray[Any, Any]:
        """Return a mask of the rows with this pattern, for an output of these axes and rank."""
        numbers = _row_numbers(self.tensors[self.mask]) % len(self.patterns)
        return self._lay_out(numbers == self.patterns.index(pattern), axes, rank)

    def unchanged_hidden_rows(
        self, redrawn: Tensors, inputs: Mapping[str, Axes], axes: Axes, rank: int
    ) -> np.ndarray[Any, Any]:
        """Return a mask of the rows that are hidden completely and unchanged in `redrawn`.

        A redraw keeps special ids, so it proves nothing about the outputs of such rows.
        """
        *rows, _ = _axis_names(self.axes)
        is_unchanged: Any = ~self.tensors[self.mask].numpy().any(axis=-1)
        for name in self.hidden:
            is_changed = (redrawn[name] != self.tensors[name]).numpy()
            is_unchanged = is_unchanged & ~_any_by_row(is_changed, inputs[name], rows)
        return self._lay_out(is_unchanged, axes, rank)

    def _lay_out(
        self, of_rows: np.ndarray[Any, Any], axes: Axes, rank: int
    ) -> np.ndarray[Any, Any]:
        """Lay out one flag per mask row for an output; False if the output has no such rows."""
        import numpy as np

        names, sizes = _factors(_axis_names(self.axes)[:-1], of_rows.shape, self.example.axes)
        placed = _align(of_rows.reshape(sizes), names, axes, rank)
        return np.array(False) if placed is None else placed


def padded_example(config: OnnxConfig, mask: str, example: Example) -> Example:
    """Return an example with room for every padding pattern of a mask."""
    return enlarged(config, example, _least_sizes(config, mask, example.axes))


def _patterns(config: OnnxConfig, mask: str) -> tuple[str, ...]:
    return _END_PATTERNS if mask in config.end_masks else PATTERNS


def padded_feed(config: OnnxConfig, mask: str, example: Example) -> PaddedFeed:
    """Return the padded feed of an example, enlarged to at least two rows of each pattern and four
    positions per row that can be hidden."""
    import torch

    axes, example = config.inputs[mask], padded_example(config, mask, example)
    patterns = _patterns(config, mask)
    tensors = config.generate_dummy_inputs(seed=example.seed, **example.axes)
    generator = torch.Generator().manual_seed(example.seed)
    least = config.end_masks.get(mask, 1)
    shown = _pattern_mask(tensors[mask].shape, patterns, generator, least=least)
    tensors[mask] = shown.to(tensors[mask].dtype)
    if is_ordinary(example.seed):
        tensors = config.follow_masks(tensors)
    hidden = ~shown.numpy()
    is_second = _row_numbers(shown) // len(patterns) % 2 == 1
    is_padded = (is_second & ~hidden.all(-1))[..., None]
    padded, arbitrary = (
        dict(_hidden_positions(config, mask, tensors, where, example.axes))
        for where in (hidden & is_padded, hidden & ~is_padded)
    )
    return PaddedFeed(mask, axes, example, config.pad(tensors, padded), arbitrary, patterns)


def _least_sizes(config: OnnxConfig, mask: str, sizes: Mapping[str, int]) -> dict[str, int]:
    """Return the smallest axis sizes at which a mask can have every padding pattern in a row."""
    *rows, last = (AxisExpression.parse(text) for text in _axis_names(config.inputs[mask]))
    name = _in_order(last)[-1]
    length = config.end_masks.get(mask, 0) + _LENGTH
    least = {name: length - last.evaluate(sizes) + sizes[name]}
    if rows:
        others = math.prod(expression.evaluate(sizes) for expression in rows[1:])
        least[rows[0].names[0]] = math.ceil(2 * len(_patterns(config, mask)) / others)
    return least


def _pattern_mask(
    shape: Sequence[int], patterns: Sequence[str], generator: torch.Generator, *, least: int
) -> torch.Tensor:
    """Return a mask that is True at visible positions; the rows have the patterns in turn.

    Rows that are hidden from one side show at least `least` positions.
    """
    import torch

    length = shape[-1]
    shown = torch.ones(math.prod(shape[:-1]), length, dtype=torch.bool)
    cuts = torch.randint(least, length, (len(shown),), generator=generator).tolist()
    for row, cut in enumerate(cuts):
        match patterns[row % len(patterns)]:
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


def _hidden_positions(
    config: OnnxConfig,
    mask: str,
    tensors: Tensors,
    hidden: np.ndarray[Any, Any],
    sizes: Mapping[str, int],
) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield name and hidden positions of each other input that shares the axes of the mask."""
    import torch

    *rows, last = _axis_names(config.inputs[mask])
    for name, axes in config.inputs.items():
        if name in config.masks:
            continue
        for text, span in _spans(last, sizes).items():
            places = _align(hidden[..., span], [*rows, text], axes, tensors[name].ndim)
            if places is not None:
                yield name, torch.from_numpy(places)


def _spans(text: str, sizes: Mapping[str, int]) -> dict[str, slice]:
    """Map axis names to the columns of a mask over `text` that belong to them.

    For `past + tokens`, the first columns hide positions of the past, the last ones of the tokens.
    """
    expression = AxisExpression.parse(text)
    spans, start = {text: slice(None)}, 0
    if expression.is_sum:
        for name in _in_order(expression):
            spans[name] = slice(start, start + sizes[name])
            start += sizes[name]
    return spans


def _factors(
    names: Sequence[str], shape: Sequence[int], sizes: Mapping[str, int]
) -> tuple[list[str], list[int]]:
    """Return the names of axes and their sizes, with each product of axes as its factors.

    The rows of `batch_size * num_queries` belong to the queries of a batch.
    """
    found: dict[str, int] = {}
    for name, size in zip(names, shape, strict=True):
        factors = name.split(" * ")
        is_product = len(factors) > 1 and set(factors) <= set(sizes)
        found |= {n: sizes[n] for n in factors} if is_product else {name: size}
    return list(found), list(found.values())


def _in_order(expression: AxisExpression) -> list[str]:
    """Return the axis names of a sum, in the order of its text."""
    return [name for name in re.findall(r"\w+", expression.text) if name in expression.names]


def _axis_names(axes: Axes) -> list[str]:
    return [axes[axis] for axis in sorted(axes)]


def _row_numbers(mask: torch.Tensor) -> np.ndarray[Any, Any]:
    import numpy as np

    return np.arange(math.prod(mask.shape[:-1])).reshape(mask.shape[:-1])


def _any_by_row(
    array: np.ndarray[Any, Any], axes: Axes, rows: Sequence[str]
) -> np.ndarray[Any, Any]:
    """Return for each row whether any element is true. The array has the rows among its axes."""
    at = {text: axis for axis, text in axes.items()}
    kept = [at[name] for name in rows]
    others = tuple(axis for axis in range(array.ndim) if axis not in kept)
    found: Any = array.any(axis=others)
    ordered: np.ndarray[Any, Any] = found.transpose([sorted(kept).index(axis) for axis in kept])
    return ordered


def _align(
    array: np.ndarray[Any, Any], names: Sequence[str], axes: Axes, rank: int
) -> np.ndarray[Any, Any] | None:
    """Return an array with the axis `names`, laid out to broadcast to a tensor with `axes`.

    None if the tensor lacks one of the names.
    """
    at = {text: axis for axis, text in axes.items()}
    if not set(names) <= set(at):
        return None
    order = sorted(range(len(names)), key=lambda index: at[names[index]])
    shape = [1] * rank
    for index in order:
        shape[at[names[index]]] = array.shape[index]
    return array.transpose(order).reshape(shape)
