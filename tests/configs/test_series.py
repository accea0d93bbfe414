"""Time series: what eager fixes, the classes of the heads of PatchTST, and dummy series."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import PatchTSTConfig

from harness import OnnxConfig, TasksManager, UsageError
from harness.evidence.models import tiny_model

FORECASTING = "time-series-forecasting"


def _described(config: PatchTSTConfig, task: str = FORECASTING) -> OnnxConfig:
    return TasksManager.get_exporter_config_constructor("onnx", config, task=task)(config)


@pytest.mark.parametrize(
    ("task", "model_class", "output"),
    [
        ("feature-extraction", "PatchTSTModel", "last_hidden_state"),
        ("time-series-classification", "PatchTSTForClassification", "prediction_logits"),
        (FORECASTING, "PatchTSTForPrediction", "prediction_outputs"),
        ("time-series-regression", "PatchTSTForRegression", "regression_outputs"),
    ],
)
def test_each_task_has_the_class_and_the_output_of_its_head(
    task: str, model_class: str, output: str
) -> None:
    model: Any = tiny_model("patchtst", task)
    described = _described(model.config, task)
    assert type(model).__name__ == model_class
    assert dict(described.inputs) == {"past_values": {0: "batch_size"}}
    assert dict(described.outputs) == {output: {0: "batch_size"}}


@pytest.mark.parametrize("shape", [(2, 29, 5), (2, 31, 5), (2, 30, 4), (2, 30, 6)])
def test_eager_fixes_the_length_and_the_channels(shape: tuple[int, ...]) -> None:
    model: Any = tiny_model("patchtst", FORECASTING)
    with pytest.raises(ValueError, match=r"match model configuration|has to be the same"):
        model(past_values=torch.zeros(shape))


def test_a_head_that_returns_a_distribution_is_refused() -> None:
    with pytest.raises(UsageError, match="loss='nll': time-series-forecasting returns"):
        _described(PatchTSTConfig(loss="nll"))
    assert _described(PatchTSTConfig(loss="nll"), "feature-extraction")


def test_series_have_levels_and_scales_of_their_own_and_some_are_zero() -> None:
    described = _described(PatchTSTConfig(num_input_channels=6, context_length=40))
    series = described.generate_dummy_inputs(batch_size=50)["past_values"]
    assert (series.shape, series.dtype) == ((50, 40, 6), torch.float32)
    is_zero = (series == 0).all(dim=1)
    assert 10 < is_zero.sum() < 100
    deviations = series.std(dim=1)[~is_zero]
    assert deviations.max() > 20 * deviations.min() > 0
    assert series.mean(dim=1)[~is_zero].abs().max() > 3


def test_the_copy_for_export_cuts_the_same_patches(fresh_subject: Callable[..., Any]) -> None:
    one = fresh_subject("patchtst", "feature-extraction")
    feed = one.config.generate_dummy_inputs(batch_size=3)
    with torch.no_grad():
        expected = one.model(**feed).patch_input
        patched = one.config.patch_model_for_export(one.model)
        assert torch.equal(patched(**feed).patch_input, expected)
