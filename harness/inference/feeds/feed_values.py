"""Draw the values of a proposed feed: one function for each kind of input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import torch

from harness.configs.axes import AxisExpression
from harness.errors import UsageError
from harness.inference.feeds.proposed_input import Placeholder, ProposedInput

Shape = tuple[int, ...]

_MODALITIES: Mapping[str, int] = {"image": 1, "video": 2, "audio": 3}
"""The number of each modality in `mm_token_type_ids`."""
_DTYPES: Mapping[str, torch.dtype] = {
    "int64": torch.int64,
    "int32": torch.int32,
    "float32": torch.float32,
    "bool": torch.bool,
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """One feed while it is drawn: `drawn` has the tensors so far."""

    sizes: Mapping[str, int]
    placeholders: Sequence[Placeholder]
    special: frozenset[int]
    generator: torch.Generator
    drawn: dict[str, torch.Tensor] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        sizes: Mapping[str, int],
        placeholders: Sequence[Placeholder],
        special: frozenset[int],
        *,
        seed: int,
    ) -> Self:
        """Start a feed at these sizes of axis names."""
        return cls(sizes, placeholders, special, torch.Generator().manual_seed(seed))

    def integers(self, low: int, high: int, shape: Shape) -> torch.Tensor:
        return torch.randint(low, max(low + 1, high), shape, generator=self.generator)

    def normal(self, shape: Shape) -> torch.Tensor:
        return torch.randn(shape, generator=self.generator)


Maker = Callable[[Drawing, ProposedInput, Shape], torch.Tensor]


def draw_inputs(drawing: Drawing, inputs: Mapping[str, ProposedInput]) -> dict[str, torch.Tensor]:
    """Return the tensors of a feed; tokens are drawn before what follows from them."""
    for name, one in inputs.items():
        drawing.drawn[name] = draw_values(drawing, one, one.shape(drawing.sizes))
    return drawing.drawn


def draw_values(drawing: Drawing, one: ProposedInput, shape: Shape) -> torch.Tensor:
    """Return the values of one input."""
    return MAKERS[one.kind](drawing, one, shape).to(_DTYPES[one.dtype]).contiguous()


def plain_ids(drawing: Drawing, one: ProposedInput, shape: Shape) -> torch.Tensor:
    """Return ids of ordinary tokens."""
    plain = [i for i in range(one.low, one.high) if i not in drawing.special]
    chosen = torch.tensor(plain or [one.low])
    return chosen[drawing.integers(0, len(chosen), shape)]


def _ids(drawing: Drawing, one: ProposedInput, shape: Shape) -> torch.Tensor:
    """Return tokens with the placeholders of each modality after the first token."""
    ids = plain_ids(drawing, one, shape)
    counts = {p: _count(p, drawing.sizes) for p in drawing.placeholders}
    if counts and shape[-1] <= sum(counts.values()):
        raise UsageError(
            f"feed: {shape[-1]} tokens do not hold {sum(counts.values())} placeholders; "
            "give a longer sequence_length"
        )
    start = 1
    for placeholder, count in counts.items():
        ids[..., start : start + count] = placeholder.token
        start += count
    return ids


def _count(placeholder: Placeholder, sizes: Mapping[str, int]) -> int:
    return AxisExpression.parse(placeholder.count).evaluate(sizes)


def _modalities(drawing: Drawing, one: ProposedInput, shape: Shape) -> torch.Tensor:
    ids = drawing.drawn.get("input_ids")
    found = torch.zeros(shape, dtype=torch.int64)
    for placeholder in drawing.placeholders if ids is not None else ():
        found[ids == placeholder.token] = _MODALITIES[placeholder.modality]
    return found


def _codes(drawing: Drawing, one: ProposedInput, shape: Shape) -> torch.Tensor:
    return drawing.integers(one.low, one.high, shape)


def _floats(drawing: Drawing, one: ProposedInput, shape: Shape) -> torch.Tensor:
    return drawing.normal(shape)


def _ones(drawing: Drawing, one: ProposedInput, shape: Shape) -> torch.Tensor:
    return torch.ones(shape)


def _zeros(drawing: Drawing, one: ProposedInput, shape: Shape) -> torch.Tensor:
    return torch.zeros(shape)


def _twos(drawing: Drawing, one: ProposedInput, shape: Shape) -> torch.Tensor:
    return torch.full(shape, 2)


def _some(drawing: Drawing, one: ProposedInput, shape: Shape) -> torch.Tensor:
    """Return the same number of ones in each row: half of them."""
    noise = torch.rand(shape, generator=drawing.generator)
    half = noise.topk(max(1, shape[-1] // 2), dim=-1).indices
    return torch.zeros(shape).scatter(-1, half, 1.0)


def _positions(drawing: Drawing, one: ProposedInput, shape: Shape) -> torch.Tensor:
    return torch.arange(shape[-1]).expand(shape)


def _grid(drawing: Drawing, one: ProposedInput, shape: Shape) -> torch.Tensor:
    sides = [drawing.sizes["grid_height"], drawing.sizes["grid_width"]]
    row = [1] * (shape[-1] - 2) + sides
    return torch.tensor(row).expand(shape)


def _image_sizes(drawing: Drawing, one: ProposedInput, shape: Shape) -> torch.Tensor:
    return torch.tensor([drawing.sizes["height"], drawing.sizes["width"]]).expand(shape)


def _places(drawing: Drawing, one: ProposedInput, shape: Shape) -> torch.Tensor:
    """Return the column and the row of each patch."""
    height, width = drawing.sizes["grid_height"], drawing.sizes["grid_width"]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([columns.flatten(), rows.flatten()], dim=-1).expand(shape)


def _corners(drawing: Drawing, one: ProposedInput, shape: Shape) -> torch.Tensor:
    pairs = drawing.integers(0, one.high, (*shape[:-1], 2, 2)).sort(dim=-2).values
    return pairs.flatten(start_dim=-2)


def _unit_boxes(drawing: Drawing, one: ProposedInput, shape: Shape) -> torch.Tensor:
    return torch.rand(shape, generator=drawing.generator)


def _points(drawing: Drawing, one: ProposedInput, shape: Shape) -> torch.Tensor:
    return torch.rand(shape, generator=drawing.generator) * one.high


def _box_points(drawing: Drawing, one: ProposedInput, shape: Shape) -> torch.Tensor:
    return torch.rand(shape, generator=drawing.generator).sort(dim=-1).values * one.high


MAKERS: Mapping[str, Maker] = {
    "ids": _ids,
    "decoder-ids": plain_ids,
    "plain-ids": plain_ids,
    "codes": _codes,
    "types": _codes,
    "modalities": _modalities,
    "floats": _floats,
    "mask": _ones,
    "booleans": _ones,
    "hidden": _zeros,
    "ones": _ones,
    "zeros": _zeros,
    "twos": _twos,
    "some": _some,
    "positions": _positions,
    "grid": _grid,
    "image-sizes": _image_sizes,
    "places": _places,
    "corners": _corners,
    "unit-boxes": _unit_boxes,
    "points": _points,
    "box-points": _box_points,
}
"""Kind of an input -> the function that draws it."""
