"""The kinds of values that an input may have: one table for descriptions and for inference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.configs.axes import AxisSizes
from harness.configs.placeholders import Placeholder, modalities_of, with_placeholders

if TYPE_CHECKING:
    import torch

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnInput:
    """An input at known sizes. Integers are at least `low` and below `high`; `sides` are the height
    and the width that sizes of grids and of images state."""

    kind: str
    shape: Shape
    low: int = 0
    high: int = 2
    sides: tuple[int, int] = (1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One feed while it is drawn: `drawn` has the tensors so far.

    `special` are ids that are not drawn as ordinary tokens. `is_ordinary` asks for the commonest
    values, and `is_scattered` for placeholders all over the text.
    """

    generator: torch.Generator
    sizes: AxisSizes = field(default_factory=dict)
    placeholders: Sequence[Placeholder] = ()
    special: frozenset[int] = frozenset()
    is_ordinary: bool = True
    is_scattered: bool = False
    drawn: dict[str, torch.Tensor] = field(default_factory=dict)

    def integers(self, low: int, high: int, shape: Shape) -> torch.Tensor:
        import torch

        return torch.randint(low, max(low + 1, high), shape, generator=self.generator)

    def uniform(self, shape: Shape) -> torch.Tensor:
        import torch

        return torch.rand(shape, generator=self.generator)


Maker = Callable[[Drawing, DrawnInput], "torch.Tensor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueKind:
    """How inputs of a kind are drawn.

    `values` says what they are, `draw` gives the commonest ones, and `provoke` values that expose
    defects, if others do. Values that are `is_bounded` are below a number. `follows` names the axes
    of the sides. Values of a kind that `stays` follow from other inputs or from sizes; `exchange`
    gives others that fit as well.
    """

    values: str
    draw: Maker
    provoke: Maker | None = None
    dtype: str = "int64"
    follows: tuple[str, str] | None = None
    is_bounded: bool = False
    stays: bool = False
    exchange: Callable[[torch.Tensor], torch.Tensor] | None = None


def draw_values(drawing: Drawing, one: DrawnInput) -> torch.Tensor:
    """Return the values of one input, provoking ones unless ordinary ones are asked for."""
    import torch

    kind = KINDS[one.kind]
    draw = kind.draw if drawing.is_ordinary else kind.provoke or kind.draw
    dtype: torch.dtype = getattr(torch, kind.dtype)
    return draw(drawing, one).to(dtype).contiguous()


def plain_ids(drawing: Drawing, one: DrawnInput) -> torch.Tensor:
    """Return ids of ordinary tokens."""
    import torch

    plain = [i for i in range(one.low, one.high) if i not in drawing.special]
    chosen = torch.tensor(plain or [one.low])
    return chosen[drawing.integers(0, len(chosen), one.shape)]


def tied_ids(drawing: Drawing, ids: torch.Tensor) -> torch.Tensor:
    """Return tokens with the placeholders that the other inputs of the feed need."""
    scattered_by = drawing.generator if drawing.is_scattered else None
    return with_placeholders(ids, drawing.placeholders, drawing.sizes, scattered_by=scattered_by)


def _ids(drawing: Drawing, one: DrawnInput) -> torch.Tensor:
    return tied_ids(drawing, plain_ids(drawing, one))


def _modalities(drawing: Drawing, one: DrawnInput) -> torch.Tensor:
    import torch

    ids = drawing.drawn.get("input_ids")
    none = torch.zeros(one.shape, dtype=torch.int64)
    return none if ids is None else modalities_of(ids, drawing.placeholders)


def _integers(drawing: Drawing, one: DrawnInput) -> torch.Tensor:
    return drawing.integers(one.low, one.high, one.shape)


def _floats(drawing: Drawing, one: DrawnInput) -> torch.Tensor:
    import torch

    return torch.randn(one.shape, generator=drawing.generator)


def _filled(value: int) -> Maker:
    def fill(drawing: Drawing, one: DrawnInput) -> torch.Tensor:
        import torch

        return torch.full(one.shape, value)

    return fill


def _shown(drawing: Drawing, one: DrawnInput) -> torch.Tensor:
    """Return rows of ones, and rows whose end is hidden. The first place is always shown."""
    import torch

    lengths = drawing.integers(1, 2 * one.shape[-1] + 1, (*one.shape[:-1], 1))
    return (torch.arange(one.shape[-1]) < lengths).to(torch.int64)


def _hidden(drawing: Drawing, one: DrawnInput) -> torch.Tensor:
    return 1 - _shown(drawing, one)


def _some(drawing: Drawing, one: DrawnInput) -> torch.Tensor:
    import torch

    half = drawing.uniform(one.shape).topk(max(1, one.shape[-1] // 2), dim=-1).indices
    return torch.zeros(one.shape).scatter(-1, half, 1.0)


def _positions(drawing: Drawing, one: DrawnInput) -> torch.Tensor:
    import torch

    return torch.arange(one.shape[-1]).expand(one.shape)


def _skipping(drawing: Drawing, one: DrawnInput) -> torch.Tensor:
    """Return positions in their order, of which some repeat and others are skipped."""
    return drawing.integers(0, one.shape[-1], one.shape).sort(dim=-1).values


def _sides(drawing: Drawing, one: DrawnInput) -> torch.Tensor:
    import torch

    row = [1] * (one.shape[-1] - 2) + list(one.sides)
    return torch.tensor(row).expand(one.shape)


def _places(drawing: Drawing, one: DrawnInput) -> torch.Tensor:
    """Return the column and the row of each patch."""
    import torch

    height, width = (torch.arange(side) for side in one.sides)
    rows, columns = torch.meshgrid(height, width, indexing="ij")
    return torch.stack([columns.flatten(), rows.flatten()], dim=-1).expand(one.shape)


def _corners(drawing: Drawing, one: DrawnInput) -> torch.Tensor:
    import torch

    pairs = drawing.integers(0, one.high, (*one.shape[:-1], 2, 2)).sort(dim=-2).values
    return torch.flatten(pairs, start_dim=-2)


def _unit(drawing: Drawing, one: DrawnInput) -> torch.Tensor:
    return drawing.uniform(one.shape)


def _points(drawing: Drawing, one: DrawnInput) -> torch.Tensor:
    return drawing.uniform(one.shape) * one.high


def _box_points(drawing: Drawing, one: DrawnInput) -> torch.Tensor:
    return drawing.uniform(one.shape).sort(dim=-1).values * one.high


def _turned(grid: torch.Tensor) -> torch.Tensor:
    """Return grids with height and width exchanged: the number of patches stays."""
    import torch

    return torch.cat([grid[..., :-2], grid[..., -2:].flip(-1)], dim=-1)


_GRID = ("grid_height", "grid_width")

KINDS: Mapping[str, ValueKind] = {
    "ids": ValueKind(
        values="tokens, with the placeholders of other inputs", draw=_ids, is_bounded=True
    ),
    "decoder-ids": ValueKind(
        values="tokens of a decoder", draw=plain_ids, is_bounded=True, provoke=_integers
    ),
    "plain-ids": ValueKind(
        values="tokens of another text", draw=plain_ids, is_bounded=True, provoke=_integers
    ),
    "integers": ValueKind(
        values="whole numbers from 0 to below `high`", draw=_integers, is_bounded=True
    ),
    "types": ValueKind(values="types of tokens, below `high`", draw=_integers, is_bounded=True),
    "modalities": ValueKind(
        values="the modality of each token: 0 text, 1 image, 2 video, 3 sound",
        draw=_modalities,
        dtype="int32",
        stays=True,
    ),
    "floats": ValueKind(values="standard normal numbers", draw=_floats, dtype="float32"),
    "mask": ValueKind(
        values="a mask of integers, 1 for what is shown", draw=_filled(1), provoke=_shown
    ),
    "booleans": ValueKind(
        values="a mask of booleans, True for what is shown",
        draw=_filled(1),
        provoke=_shown,
        dtype="bool",
    ),
    "hidden": ValueKind(
        values="a mask of booleans, True for what is hidden",
        draw=_filled(0),
        provoke=_hidden,
        dtype="bool",
    ),
    "ones": ValueKind(
        values="a mask of real numbers, 1 for what is shown",
        draw=_filled(1),
        provoke=_shown,
        dtype="float32",
    ),
    "zeros": ValueKind(values="zeros", draw=_filled(0)),
    "twos": ValueKind(values="twos", draw=_filled(2)),
    "some": ValueKind(
        values="booleans, True for half of the places of each row", draw=_some, dtype="bool"
    ),
    "positions": ValueKind(
        values="consecutive numbers from 0 on", draw=_positions, provoke=_skipping
    ),
    "grid": ValueKind(
        values="the patches of each image along height and width, after ones",
        draw=_sides,
        follows=_GRID,
        stays=True,
        exchange=_turned,
    ),
    "image-sizes": ValueKind(
        values="the height and the width of each image",
        draw=_sides,
        follows=("height", "width"),
        stays=True,
    ),
    "places": ValueKind(
        values="the column and the row of each patch",
        draw=_places,
        follows=_GRID,
        stays=True,
        exchange=lambda places: places.flip(-2),
    ),
    "corners": ValueKind(
        values="boxes of whole numbers below `high`", draw=_corners, is_bounded=True
    ),
    "unit-boxes": ValueKind(values="numbers from 0 to 1", draw=_unit, dtype="float32"),
    "points": ValueKind(
        values="numbers from 0 to `high`", draw=_points, is_bounded=True, dtype="float32"
    ),
    "box-points": ValueKind(
        values="boxes of real numbers up to `high`",
        draw=_box_points,
        is_bounded=True,
        dtype="float32",
    ),
}
"""Kind of an input -> its values."""

MASKS = frozenset({"booleans", "hidden", "mask", "ones"})
"""Kinds of inputs that say which places of other inputs count. The commonest one hides nothing."""
