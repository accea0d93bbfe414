"""Descriptions as tables: inputs, outputs, sizes and values follow from them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from harness.configs.axis_space import AxisRange
from harness.configs.tabled import KINDS, Setting, TabledInput, TabledOnnxConfig, TaskTable
from harness.errors import DescriptionError

BATCH, LENGTH = "batch_size", "sequence_length"


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
                    kind: TabledInput(kind, (BATCH, LENGTH), Setting("text.vocabulary"))
                    for kind in KINDS
                },
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
    assert all(feed[kind].shape == (64, 9) for kind in KINDS)
    assert set(feed["integers"].unique().tolist()) == {0, 1, 2}
    assert feed["positions"][3].tolist() == list(range(9))
    assert not feed["zeros"].any()
    assert feed["booleans"].dtype == torch.bool


def test_ordinary_masks_show_everything_and_others_hide_ends() -> None:
    provoking, ordinary = (
        Described(CONFIG).generate_dummy_inputs(seed=seed, batch_size=64)["mask"] for seed in (0, 1)
    )
    assert ordinary.all()
    assert provoking[:, 0].all()
    assert not provoking.all()


def test_a_task_without_a_table_is_refused() -> None:
    with pytest.raises(DescriptionError, match="fill-mask"):
        Described(CONFIG, "fill-mask").inputs  # noqa: B018 - the property raises
