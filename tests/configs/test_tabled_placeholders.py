"""Texts of tables hold as many placeholders as the other inputs need, whatever is redrawn."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.configs.axis_space import AxisRange
from harness.configs.normalized_config import NormalizedTextAndVisionConfig
from harness.configs.setting import Setting
from harness.configs.tabled import TabledOnnxConfig, TaskTable
from harness.configs.tabled_inputs import TabledInput, TabledPlaceholder
from harness.configs.text_inputs import DummyTextInputGenerator

IMAGE, SOUND, START, PAD = 7, 8, 9, 2
CONFIG = SimpleNamespace(
    image_token_id=IMAGE,
    audio_token_id=SOUND,
    image_start_token_id=START,
    tokens_per_image=4,
    text_config=SimpleNamespace(
        model_type="text", vocab_size=11, max_position_embeddings=40, pad_token_id=PAD
    ),
)
TEXT = ("batch_size", "sequence_length")
IMAGES = TabledPlaceholder("image", Setting("image_token_id"), Setting("tokens_per_image"))
SOUNDS = TabledPlaceholder("audio", Setting("audio_token_id"), "num_frames // 2")


class Described(TabledOnnxConfig):
    """Texts with an image and a sound in each row."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextAndVisionConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator,)
    AXIS_RANGES = {"num_frames": AxisRange(2, 12, export=6, step=2)}
    CEILINGS = {"sequence_length": Setting("text_config.max_position_embeddings")}
    TABLES = {
        "text-generation": TaskTable(
            {
                "input_ids": TabledInput("ids", TEXT, Setting("text_config.vocab_size")),
                "attention_mask": TabledInput("mask", TEXT),
                "mm_token_type_ids": TabledInput("modalities", TEXT),
                "input_features": TabledInput("floats", ("batch_size", 5, "num_frames")),
            },
            {"logits": {0: "batch_size", 1: "sequence_length"}},
            (IMAGES, SOUNDS),
        )
    }


class Contiguous(Described):
    """The same, of a model that needs the tokens of an image side by side."""

    TABLES = {
        task: dataclasses.replace(
            table, placeholders=(dataclasses.replace(IMAGES, is_scattered=False), SOUNDS)
        )
        for task, table in Described.TABLES.items()
    }


def _described(kind: type[TabledOnnxConfig] = Described) -> TabledOnnxConfig:
    return kind(CONFIG, "text-generation")


def _counts(ids: torch.Tensor, token: int) -> list[int]:
    return [int(row.sum()) for row in ids == token]


def test_the_length_of_a_text_holds_its_placeholders_and_two_tokens() -> None:
    described = _described()
    expected = "max(sequence_length, 2 + 4 + num_frames // 2)"
    assert described.inputs["input_ids"][1] == described.outputs["logits"][1] == expected
    assert described.axis_ceilings == {expected: 40}
    feed = described.generate_dummy_inputs(sequence_length=1, num_frames=12)
    assert feed["input_ids"].shape[1] == feed["attention_mask"].shape[1] == 12
    assert described.generate_dummy_inputs(sequence_length=20)["input_ids"].shape[1] == 20


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", [Described, Contiguous])
def test_each_row_has_the_placeholders_that_the_other_inputs_need(
    kind: type[TabledOnnxConfig], seed: int
) -> None:
    feed = _described(kind).generate_dummy_inputs(seed=seed, num_frames=6, batch_size=6)
    ids = feed["input_ids"]
    assert _counts(ids, IMAGE) == [4] * 6
    assert _counts(ids, SOUND) == [3] * 6
    assert _counts(ids, START) == [0] * 6
    expected = (ids == IMAGE) + 3 * (ids == SOUND)
    assert feed["mm_token_type_ids"].tolist() == expected.tolist()


def test_provoking_feeds_scatter_placeholders_if_the_model_allows_it() -> None:
    size = {"sequence_length": 20, "batch_size": 6, "num_frames": 6}
    tied = [IMAGE] * 4 + [SOUND] * 3
    scattered = _described().generate_dummy_inputs(seed=0, **size)["input_ids"]
    ordinary = _described().generate_dummy_inputs(seed=1, **size)["input_ids"]
    contiguous = _described(Contiguous).generate_dummy_inputs(seed=0, **size)["input_ids"]
    assert not any(row[1:8] == tied for row in scattered.tolist())
    assert all(row[1:8] == tied for row in ordinary.tolist())
    assert all(row[1:8] == tied for row in contiguous.tolist())


def test_provoking_texts_have_the_special_ids_of_texts_alone() -> None:
    ids = _described().generate_dummy_inputs(seed=0, batch_size=6, sequence_length=40)["input_ids"]
    assert set(ids.unique().tolist()) == set(range(11)) - {START}
    plain = _described().generate_dummy_inputs(seed=1, batch_size=6, sequence_length=40)
    assert PAD not in plain["input_ids"]


@pytest.mark.parametrize("change", ["redraw", "pad"])
def test_placeholders_stay_and_no_other_token_becomes_one(change: str) -> None:
    described = _described()
    feed = described.generate_dummy_inputs(seed=0, batch_size=6, sequence_length=30)
    other = _changed(described, change, feed)
    ids, changed = feed["input_ids"], other["input_ids"]
    for token in (IMAGE, SOUND):
        assert (changed == token).equal(ids == token)
    assert START not in changed
    assert not changed.equal(ids)
    assert other["mm_token_type_ids"].equal(feed["mm_token_type_ids"])
    if change == "pad":
        assert set(changed.unique().tolist()) == {IMAGE, SOUND, PAD}


def _changed(described: TabledOnnxConfig, change: str, feed: Any) -> dict[str, torch.Tensor]:
    everywhere = {
        name: torch.ones_like(feed[name], dtype=torch.bool)
        for name in ("input_ids", "mm_token_type_ids")
    }
    if change == "pad":
        return described.pad(feed, everywhere)
    return described.redraw(feed, everywhere, seed=3)


def test_a_mask_is_that_of_a_text() -> None:
    """The values of a text have holes; the values of the table would hide ends alone."""
    mask = _described().generate_dummy_inputs(seed=0, batch_size=40)["attention_mask"]
    assert mask[:, 0].all()
    assert (mask.diff(dim=1) == 1).any(), "no row with a hole"
