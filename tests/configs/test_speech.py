"""Speech encoders: frames follow from kernels and strides, masks hide the ends of waveforms."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import Wav2Vec2Config, Wav2Vec2Model

from harness import TasksManager
from harness.configs.axes import AxisExpression
from harness.evidence.costs import DEFAULT_LIMITS, estimate_cost

MASKED: dict[str, Any] = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}


def described(task: str = "feature-extraction", **settings: Any) -> Any:
    """Describe wav2vec 2.0 with the kernels and strides of published models."""
    constructor = TasksManager.get_exporter_config_constructor(
        "onnx", model_type="wav2vec2", task=task
    )
    return constructor(Wav2Vec2Config(**settings))


@pytest.mark.parametrize("settings", [{}, {"add_adapter": True, "num_adapter_layers": 2}])
def test_frames_are_those_of_transformers(settings: dict[str, Any]) -> None:
    config = described(**settings)
    frames = AxisExpression.parse(config.outputs["last_hidden_state"][1])
    with torch.device("meta"):
        model = Wav2Vec2Model(Wav2Vec2Config(num_hidden_layers=1, **settings))
    samples = torch.arange(400, 4000)
    expected = model._get_feat_extract_output_lengths(samples).tolist()
    assert [frames.evaluate({"sequence_length": size}) for size in samples.tolist()] == expected


@pytest.mark.parametrize(
    ("task", "shortest"), [("automatic-speech-recognition", 400), ("audio-xvector", 400 + 15 * 320)]
)
def test_a_waveform_is_never_too_short_for_the_head(task: str, shortest: int) -> None:
    """X-vectors need 15 frames for one vector, and two vectors for a standard deviation."""
    assert described(task).axis_space.ranges["sequence_length"].low == shortest


def test_the_export_size_of_a_copy_is_the_one_that_was_asked_for() -> None:
    config = described().exported_at({"sequence_length": 1234})
    assert config.axis_space.ranges["sequence_length"].export == 1234
    assert config.axis_space.ranges["sequence_length"].low == 400


def test_only_models_that_normalise_each_frame_take_a_mask() -> None:
    assert list(described().inputs) == ["input_values"]
    assert list(described(**MASKED).inputs) == ["input_values", "attention_mask"]
    assert list(described("audio-xvector", **MASKED).inputs) == ["input_values"]


@pytest.mark.parametrize("seed", range(6))
def test_each_row_of_a_mask_shows_a_frame_and_hides_only_its_end(seed: int) -> None:
    feed = described(**MASKED).generate_dummy_inputs(seed=seed, batch_size=6, sequence_length=700)
    mask = feed["attention_mask"]
    assert (mask.sum(dim=1) >= 400).all()
    assert (mask.diff(dim=1) <= 0).all()
    assert mask.all() == (seed % 3 == 1), "a mask of ones is ordinary"


def test_attention_over_frames_is_affordable_for_many_seconds() -> None:
    """Attention over samples would take 12 heads x 160,000 x 160,000 scores."""
    sizes = {"batch_size": 1, "sequence_length": 160_000}
    assert DEFAULT_LIMITS.allow(estimate_cost(described(), sizes, parameters=95_000_000))
