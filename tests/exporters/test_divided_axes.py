"""Axes that a model divides, and axes in steps, as dims of torch.export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from harness import AxisRange, DummyVisionInputGenerator, ExporterError, OnnxConfig, export
from harness.configs.base import NamedAxes
from harness.configs.normalized_config import NormalizedVisionConfig
from harness.configs.task_table import Axes

SPEECH = ("wav2vec2", "audio-classification")


def test_torch_export_cannot_prove_guards_about_quotients_of_a_named_dim(
    subject: Callable[..., Any], tmp_path: Path
) -> None:
    """Should this fail, `DIVIDED_AXES` may no longer be needed."""
    one = subject(*SPEECH)

    class Named(type(one.config)):  # type: ignore[misc]
        DIVIDED_AXES: frozenset[str] = frozenset()

    config = Named(one.config.config, task=SPEECH[1])
    with pytest.raises(ExporterError, match="Not all values of sequence_length"):
        export(one.model, config, tmp_path, opset=18, exporter="dynamo")


class _Rows(torch.nn.Module):
    """Sums bands of four rows; refuses images of other heights."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, pixel_values: torch.Tensor, *, return_dict: bool) -> dict[str, torch.Tensor]:
        batch, channels, height, width = pixel_values.shape
        bands = pixel_values.view(batch, channels, height // 4, 4, width)
        return {"last_hidden_state": self.weight * bands.sum(dim=3)}


class _RowsConfig(OnnxConfig):
    NORMALIZED_CONFIG_CLASS = NormalizedVisionConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyVisionInputGenerator,)
    AXIS_RANGES = {"height": AxisRange(8, 40, export=20, step=4)}

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {"pixel_values": {0: "batch_size", 2: "height"}}

    @property
    def outputs(self) -> NamedAxes:
        return NamedAxes(last_hidden_state={0: "batch_size", 2: "height // 4"})


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_an_axis_in_steps_is_exported_as_a_multiple(exporter: str, tmp_path: Path) -> None:
    config = _RowsConfig(SimpleNamespace(num_channels=3, image_size=(20, 9)))
    assert {row["height"] % 4 for row in config.axis_space.corners()} == {0}
    export(_Rows(), config, tmp_path, opset=18, exporter=exporter)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    for height in (8, 36, 40):
        feed = config.generate_dummy_inputs(batch_size=2, height=height)
        (got,) = session.run(None, {"pixel_values": feed["pixel_values"].numpy()})
        expected = _Rows()(**feed, return_dict=True)["last_hidden_state"]
        np.testing.assert_allclose(got, expected.detach().numpy(), rtol=0, atol=1e-5)
