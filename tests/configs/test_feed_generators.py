"""Generators of whole feeds: inputs that are tied to each other, and axes that values decide."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

import pytest
import torch

from harness import DescriptionError, FeedGenerator, FeedRequest, OnnxConfig
from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes
from harness.configs.feed_generators import Tensors
from harness.configs.feeds import FeedKind, seed_of
from harness.configs.task_table import Axes
from harness.configs.text_inputs import DummyTextInputGenerator
from harness.evidence.costs import estimate_cost

IMAGE = 9
"""The id of a placeholder token."""


class _Grids(FeedGenerator):
    """Images of several sizes as rows of patches, and texts with a placeholder for each patch."""

    SUPPORTED_INPUT_NAMES = ("input_ids", "grid", "patches")

    def draw(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        (images, texts) = (request.dims["grid"][0], request.dims["input_ids"])
        grid = self._integers(1, 3, (images, 2))
        return self._fitting(grid, (texts[0], texts[1]))

    def ordinary(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        texts = request.dims["input_ids"]
        grid = torch.ones(request.dims["grid"][0], 2, dtype=torch.int64)
        return self._fitting(grid, (texts[0], texts[1]))

    def redraw(
        self, feed: Tensors, places: Tensors, request: FeedRequest
    ) -> dict[str, torch.Tensor]:
        ids = feed["input_ids"]
        other = self._integers(0, IMAGE, tuple(ids.shape))
        return {"input_ids": other.where(places["input_ids"] & (ids != IMAGE), ids)}

    def _fitting(self, grid: torch.Tensor, texts: tuple[int, int]) -> dict[str, torch.Tensor]:
        count = int(grid.prod(dim=1).sum())
        ids = self._integers(0, IMAGE, texts)
        ids.view(-1)[:count] = IMAGE
        return {"input_ids": ids, "grid": grid, "patches": self._normal((count, 6))}


class _TiedConfig(OnnxConfig):
    DUMMY_INPUT_GENERATOR_CLASSES = (_Grids, DummyTextInputGenerator)
    DERIVED_AXES = {"num_patches": "4 * num_images"}
    AXIS_RANGES = {"sequence_length": AxisRange(16, 24, export=17)}

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {
            "patches": {0: "num_patches"},
            "input_ids": {0: "batch_size", 1: "sequence_length"},
            "attention_mask": {0: "batch_size", 1: "sequence_length"},
            "grid": {0: "num_images"},
        }

    @property
    def outputs(self) -> NamedAxes:
        return NamedAxes(image_features={0: "ceil(num_patches / 4)"})


CONFIG = _TiedConfig(SimpleNamespace())


@pytest.mark.parametrize("kind", FeedKind)
def test_inputs_of_one_generator_fit_each_other_in_every_kind_of_feed(kind: FeedKind) -> None:
    feed = CONFIG.generate_dummy_inputs(seed=seed_of(kind, 3), num_images=3)
    assert list(feed) == ["patches", "input_ids", "attention_mask", "grid"]
    count = feed["grid"].prod(dim=1).sum()
    assert feed["patches"].shape == (count, 6)
    assert (feed["input_ids"] == IMAGE).sum() == count
    if kind is FeedKind.ORDINARY:
        assert count == 3
        assert feed["attention_mask"].all()


def test_the_size_of_a_derived_axis_follows_from_the_feed_and_is_never_drawn() -> None:
    assert set(CONFIG.axis_space.ranges) == {"batch_size", "sequence_length", "num_images"}
    feed = CONFIG.generate_dummy_inputs(num_images=2)
    assert CONFIG.derived_sizes(feed) == {"num_patches": len(feed["patches"])}


def test_ties_stay_where_values_are_drawn_again() -> None:
    feed = CONFIG.generate_dummy_inputs(num_images=2)
    everywhere = {"input_ids": torch.ones_like(feed["input_ids"], dtype=torch.bool)}
    other = CONFIG.redraw(feed, everywhere, seed=5)
    assert not torch.equal(other["input_ids"], feed["input_ids"])
    assert torch.equal(other["input_ids"] == IMAGE, feed["input_ids"] == IMAGE)
    assert torch.equal(other["patches"], feed["patches"])


def test_a_feed_of_other_sizes_than_declared_is_refused() -> None:
    class Longer(_Grids):
        def draw(self, request: FeedRequest) -> dict[str, torch.Tensor]:
            feed = super().draw(request)
            return {**feed, "grid": torch.cat((feed["grid"], feed["grid"]))}

    class Wrong(_TiedConfig):
        DUMMY_INPUT_GENERATOR_CLASSES = (Longer, DummyTextInputGenerator)

    with pytest.raises(DescriptionError, match=r"Wrong.*shape of grid: got \(4, 2\), expected"):
        Wrong(SimpleNamespace()).generate_dummy_inputs(num_images=2)


def test_a_generator_that_forgets_an_input_is_named() -> None:
    class Forgetful(_Grids):
        def draw(self, request: FeedRequest) -> dict[str, torch.Tensor]:
            return {n: t for n, t in super().draw(request).items() if n != "grid"}

    class Wrong(_TiedConfig):
        DUMMY_INPUT_GENERATOR_CLASSES = (Forgetful, DummyTextInputGenerator)

    with pytest.raises(DescriptionError, match="its generator gives no dummy input 'grid'"):
        Wrong(SimpleNamespace()).generate_dummy_inputs()


def test_the_cost_of_an_example_counts_derived_axes_at_their_largest() -> None:
    few, many = (
        estimate_cost(CONFIG, {"num_images": images}, parameters=1).memory for images in (1, 100)
    )
    assert many > few
