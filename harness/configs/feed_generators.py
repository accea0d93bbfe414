"""Generators of dummy feeds: what they are asked for, and the two forms that they have.

A `FeedGenerator` gives all inputs that it supports at once, so that it can tie them to each other:
as many placeholder tokens as image features, grids that fit pixels, boxes that fit masks. A
`DummyInputGenerator` (`harness.configs.dummy_inputs`) gives each input alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import torch

    from harness.configs.axes import AxisSizes
    from harness.configs.normalized_config import NormalizedConfig

Dims = Mapping[int, int]
"""Axis index -> size."""

Tensors = Mapping[str, "torch.Tensor"]
"""Input name -> tensor, or booleans that broadcast to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRequest:
    """The inputs that a generator must give, and their sizes.

    `dims` has the known sizes of each input; axes whose size the model fixes or the values decide
    are left out. `sizes` are the sizes of axis names. The tokens follow `past` earlier ones. A feed
    of kind REACHING ends at the bound number `bound`, modulo the number of bounds.
    """

    dims: Mapping[str, Dims]
    sizes: AxisSizes
    past: int = 0
    bound: int = 0


class SeededGenerator:
    """Values of the inputs in `SUPPORTED_INPUT_NAMES`, from one torch.Generator.

    `MODALITY` names the nested configuration that the values follow, if a model has several;
    otherwise they follow the whole configuration.
    """

    SUPPORTED_INPUT_NAMES: ClassVar[tuple[str, ...]] = ()
    MODALITY: ClassVar[str] = ""
    IMAGE_AXES: ClassVar[tuple[int, ...]] = ()
    """The axes of channels, height and width, if the inputs are images."""

    def __init__(
        self, task: str, normalized_config: NormalizedConfig, generator: torch.Generator
    ) -> None:
        self.task = task
        self.whole_config = normalized_config
        self.normalized_config = normalized_config.of_modality(self.MODALITY)
        self.generator = generator

    @classmethod
    def supports_input(cls, name: str) -> bool:
        """Whether `name` is supported; a supported `past_key_values` covers all its layers."""
        return name in cls.SUPPORTED_INPUT_NAMES or name.split(".")[0] in cls.SUPPORTED_INPUT_NAMES

    def _size(self, dims: Dims, axis: int, *, or_else: str) -> int:
        """The size of a dynamic axis, or of a static one the configuration's."""
        return dims[axis] if axis in dims else int(getattr(self.normalized_config, or_else))

    def _integers(self, low: int, high: int, shape: tuple[int, ...]) -> torch.Tensor:
        """Uniform int64 values in [low, high)."""
        import torch

        return torch.randint(low, high, shape, generator=self.generator, dtype=torch.int64)

    def _normal(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Standard normal float32 values."""
        import torch

        return torch.randn(shape, generator=self.generator, dtype=torch.float32)


class FeedGenerator(SeededGenerator, ABC):
    """Gives all inputs that it supports at once; each method returns input name -> tensor."""

    @abstractmethod
    def draw(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        """Return values that expose defects, for each input in `request.dims`."""

    def ordinary(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        """Return the commonest values. The default is `draw`, for inputs without commoner ones."""
        return self.draw(request)

    def reaching(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        """Return provoking values that end at one of the bounds of the model.

        The default is `draw`, for inputs whose values have no bound.
        """
        return self.draw(request)

    def redraw(
        self, feed: Tensors, places: Tensors, request: FeedRequest
    ) -> dict[str, torch.Tensor]:
        """Return a feed with other values at `places`. Ties between inputs must stay."""
        import torch

        other = self.draw(request)
        return {**feed, **{n: torch.where(at, other[n], feed[n]) for n, at in places.items()}}

    def pad(self, feed: Tensors, places: Tensors) -> dict[str, torch.Tensor]:
        """Return a feed with what a preprocessor writes at `places`, as far as it is known."""
        return dict(feed)

    def follow_masks(self, feed: Tensors, masks: Tensors) -> dict[str, torch.Tensor]:
        """Return a feed whose values follow from the masks as users derive them (positions)."""
        return dict(feed)


FeedGenerators = tuple[type[SeededGenerator], ...]
