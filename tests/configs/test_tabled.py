"""Descriptions as tables: inputs, outputs, sizes and values follow from them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from harness.configs.axis_space import AxisRange
from harness.configs.setting import Setting
from harness.configs.tabled import TabledOnnxConfig, TaskTable
from harness.configs.tabled_inputs import TabledInput
from harness.configs.value_kinds import KINDS
from harness.errors import DescriptionError

BATCH, LENGTH = "batch_size", "sequence_length"
LAST = {"grid": 3, "image-sizes": 2, "corners": 4, "box-points": 4, "points": 2}
"""Kind -> the size of its last axis."""


class Described(TabledOnnxConfig):
    """Images, and an input of each kind."""

    AXIS_RANGES = {"height": AxisRange(4, 16, export=12), "width": AxisRange(4, 16, export=14)}
    CEILINGS = {LENGTH: Setting("text.positions")}
    TABLES = {
        "feature-extraction": TaskTable(
            {
                "pixel_values": TabledInput(
                    "floats", (BATCH, Setting("channels"), "height", "width")
                ),
                **{
                    kind: TabledInput(
                        kind,
                        (BATCH, LAST.get(kind, LENGTH)),
                        Setting("text.vocabulary"),
                        sides=("height", 6),
                    )
                    for kind in KINDS
                    if kind != "places"
                },
                "places": TabledInput("places", (BATCH, "3 * height", 2), sides=("height", 3)),
            },
            {"last_hidden_state": {0: BATCH, 1: "height // 4"}},
        )
    }


CONFIG = SimpleNamespace(channels=[5, 5], text=SimpleNamespace(positions=20, vocabulary=3))


def test_inputs_and_outputs_are_those_of_the_table() -> None:
    described = Described(CONFIG)
    assert described.inputs["pixel_values"] == {0: BATCH, 2: "height", 3: "width"}
    assert dict(described.outputs) == {"last_hidden_state": {0: BATCH, 1: "height // 4"}}
    assert described.axis_ceilings == {LENGTH: 20}
    assert described.image_axes("pixel_values") == (1, 2, 3)
    assert described.image_axes("mask") == ()


@pytest.mark.parametrize("seed", [0, 1])
def test_each_kind_is_drawn_at_the_asked_sizes(seed: int) -> None:
    feed = Described(CONFIG).generate_dummy_inputs(seed=seed, sequence_length=9, batch_size=64)
    assert feed["pixel_values"].shape == (64, 5, 12, 14)
    assert all(feed[k].shape == (64, LAST.get(k, 9)) for k in KINDS if k != "places")
    assert {k: str(feed[k].dtype) for k in KINDS} == {
        k: f"torch.{one.dtype}" for k, one in KINDS.items()
    }
    assert set(feed["integers"].unique().tolist()) == {0, 1, 2}
    assert not feed["zeros"].any()
    assert set(feed["some"].sum(dim=-1).tolist()) == {4}


@pytest.mark.parametrize("seed", [0, 1])
def test_what_states_sizes_of_images_follows_them(seed: int) -> None:
    feed = Described(CONFIG).generate_dummy_inputs(seed=seed, height=5, batch_size=2)
    assert feed["grid"].tolist() == [[1, 5, 6]] * 2
    assert feed["image-sizes"].tolist() == [[5, 6]] * 2
    assert feed["places"][1, :4].tolist() == [[0, 0], [1, 0], [2, 0], [0, 1]]


def test_boxes_have_their_corners_in_order() -> None:
    feed = Described(CONFIG).generate_dummy_inputs(batch_size=64)
    corners = feed["corners"]
    assert (corners[:, :2] <= corners[:, 2:]).all()
    assert corners.max() == 2
    assert (feed["box-points"].diff(dim=-1) >= 0).all()


def test_other_values_of_a_grid_have_as_many_patches() -> None:
    described = Described(CONFIG)
    feed = described.generate_dummy_inputs(height=5, batch_size=2)
    everywhere = {
        name: torch.ones_like(feed[name], dtype=torch.bool) for name in ("grid", "places")
    }
    other = described.redraw(feed, everywhere, seed=4)
    assert other["grid"].tolist() == [[1, 6, 5]] * 2
    assert sorted(other["places"][0].tolist()) == sorted(feed["places"][0].tolist())
    assert not other["places"].equal(feed["places"])


@pytest.mark.parametrize(
    ("kind", "shown"), [("mask", 1), ("booleans", True), ("ones", 1.0), ("hidden", False)]
)
def test_ordinary_masks_show_everything_and_others_hide_ends(kind: str, shown: float) -> None:
    provoking, ordinary = (
        Described(CONFIG).generate_dummy_inputs(seed=seed, batch_size=64)[kind] for seed in (0, 1)
    )
    assert (ordinary == shown).all()
    assert (provoking[:, 0] == shown).all()
    assert not (provoking == shown).all()


def test_ordinary_positions_are_consecutive_and_others_differ_between_feeds() -> None:
    one, ordinary, other = (
        Described(CONFIG).generate_dummy_inputs(seed=seed, sequence_length=9)["positions"]
        for seed in (0, 1, 2)
    )
    assert ordinary[1].tolist() == list(range(9))
    assert not one.equal(other)
    assert (one.diff(dim=-1) >= 0).all()
    assert one.max() < 9


def test_a_task_without_a_table_is_refused() -> None:
    with pytest.raises(DescriptionError, match="fill-mask"):
        Described(CONFIG, "fill-mask").inputs  # noqa: B018 - the property raises
