"""Tables with placeholders and grids are compared with eager, and each kind of mistake is found."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from transformers import PreTrainedConfig

from harness.configs.axis_space import AxisRange
from harness.configs.tabled import TabledOnnxConfig, TaskTable
from harness.configs.tabled_inputs import TabledInput, TabledPlaceholder
from harness.inference.comparison.agreement import compare_with_inference

IMAGE, WIDTH, VOCABULARY = 5, 3, 11
TASK = "text-generation"
TEXT = ("batch_size", "sequence_length")
COUNT = "(grid_height * grid_width) // 4"


class TextAndImages(nn.Module):
    """Writes the mean of each block of four patches in place of a placeholder, as many models do.

    Raises ValueError if there are more or fewer placeholders than blocks.
    """

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.config = PreTrainedConfig(image_token_id=IMAGE, vocab_size=VOCABULARY)
        self.embed = nn.Embedding(VOCABULARY, WIDTH)

    def forward(
        self, input_ids: torch.Tensor, pixel_values: torch.Tensor, image_grid_thw: torch.Tensor
    ) -> SimpleNamespace:
        if len(pixel_values) != int(image_grid_thw.prod(dim=-1).sum()):
            raise ValueError("the grids need other patches")
        if (image_grid_thw[:, 1:] % 2).any():
            raise ValueError("a side is no multiple of 2")
        counts = (input_ids == IMAGE).sum(dim=-1)
        if not counts.equal(image_grid_thw.prod(dim=-1) // 4):
            raise ValueError("placeholders do not match")
        features = pixel_values.reshape(-1, 4, WIDTH).mean(dim=1)
        embedded = self.embed(input_ids)
        embedded[input_ids == IMAGE] = features
        height = int(image_grid_thw[0, 1])
        rows = pixel_values.reshape(len(input_ids), height, -1).sum(dim=-1)
        return SimpleNamespace(logits=embedded, rows=rows)


class Described(TabledOnnxConfig):
    """What the model above takes."""

    AXIS_RANGES = {
        "grid_height": AxisRange(2, 12, export=4, step=2),
        "grid_width": AxisRange(2, 12, export=6, step=2),
    }
    TABLES = {
        TASK: TaskTable(
            {
                "input_ids": TabledInput("ids", TEXT, VOCABULARY),
                "pixel_values": TabledInput(
                    "floats", ("batch_size * grid_height * grid_width", WIDTH)
                ),
                "image_grid_thw": TabledInput("grid", ("batch_size", 3)),
            },
            {
                "logits": {0: "batch_size", 1: "sequence_length"},
                "rows": {0: "batch_size", 1: "grid_height"},
            },
            (TabledPlaceholder("image", IMAGE, COUNT),),
        )
    }


def _differences(**changed: Any) -> list[tuple[str, str]]:
    """Return how the tables, with other members, differ from eager."""
    tables = {TASK: dataclasses.replace(Described.TABLES[TASK], **changed)}
    kind = type("Changed", (Described,), {"TABLES": tables})
    model = TextAndImages()
    found = compare_with_inference(model, kind(model.config, TASK))
    return [(one.name, one.details) for one in found.differences]


def test_right_tables_differ_in_nothing() -> None:
    assert _differences() == []


@pytest.mark.parametrize("count", [f"{COUNT} + 1", f"{COUNT} - 1", 6])
def test_a_wrong_number_of_placeholders_is_found(count: str | int) -> None:
    found = _differences(placeholders=(TabledPlaceholder("image", IMAGE, count),))
    assert found
    if count != 6:  # which is right at the first sizes alone
        assert "placeholders do not match" in found[0][1]


def test_another_token_is_found() -> None:
    found = _differences(placeholders=(TabledPlaceholder("image", IMAGE + 1, COUNT),))
    assert "placeholders do not match" in found[0][1]


def test_an_output_that_follows_a_grid_otherwise_is_found() -> None:
    outputs = {**Described.TABLES[TASK].outputs, "rows": {0: "batch_size", 1: "grid_width"}}
    ((name, details),) = _differences(outputs=outputs)
    assert name == "model:rows.1"
    assert "declared is grid_width" in details


def test_a_grid_that_is_none_of_the_pixels_is_found() -> None:
    inputs = {
        **Described.TABLES[TASK].inputs,
        "image_grid_thw": TabledInput("grid", ("batch_size", 3), sides=("grid_height", 2)),
    }
    assert "the grids need other patches" in _differences(inputs=inputs)[0][1]
