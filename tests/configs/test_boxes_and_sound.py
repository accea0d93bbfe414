"""Dummy boxes lie within the model's positions, and dummy sound has the model's shape."""

from __future__ import annotations

import pytest
import torch
from transformers import LayoutLMConfig, Wav2Vec2Config, WhisperConfig

from harness import (
    AudioOnnxConfig,
    DummyBboxInputGenerator,
    DummyTextInputGenerator,
    NormalizedTextConfig,
    TextEncoderOnnxConfig,
)
from harness.configs.architectures.whisper import WhisperEncoderOnnxConfig


class BoxedTextOnnxConfig(TextEncoderOnnxConfig):
    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator, DummyBboxInputGenerator)
    INPUT_NAMES = ("input_ids", "bbox")


@pytest.mark.parametrize(
    ("task", "sizes"),
    [
        ("token-classification", {"batch_size": 6, "sequence_length": 40}),
        ("multiple-choice", {"batch_size": 2, "num_choices": 3, "sequence_length": 40}),
    ],
)
def test_boxes_run_from_left_to_right_and_top_to_bottom_within_the_page(
    task: str, sizes: dict[str, int]
) -> None:
    config = LayoutLMConfig(max_2d_position_embeddings=13)
    boxes = BoxedTextOnnxConfig(config, task=task).generate_dummy_inputs(**sizes)["bbox"]
    assert (tuple(boxes.shape), boxes.dtype) == ((*sizes.values(), 4), torch.int64)
    left, top, right, bottom = boxes.unbind(dim=-1)
    assert (left <= right).all()
    assert (top <= bottom).all()
    assert (left > bottom).any(), "no box off the diagonal"
    assert set(boxes.flatten().tolist()) == set(range(13))


def test_a_waveform_has_samples_of_unit_variance() -> None:
    described = AudioOnnxConfig(Wav2Vec2Config(), task="audio-classification")
    (sound,) = described.generate_dummy_inputs(batch_size=3, sequence_length=900).values()
    assert (tuple(sound.shape), sound.dtype) == ((3, 900), torch.float32)
    assert abs(sound.mean()) < 0.1
    assert abs(sound.std() - 1) < 0.1


def test_a_spectrogram_has_the_bins_and_frames_of_the_model() -> None:
    config = WhisperConfig(num_mel_bins=10, max_source_positions=15)
    described = WhisperEncoderOnnxConfig(config, task="audio-classification")
    (sound,) = described.generate_dummy_inputs(batch_size=3).values()
    assert (tuple(sound.shape), sound.dtype) == ((3, 10, 30), torch.float32)
