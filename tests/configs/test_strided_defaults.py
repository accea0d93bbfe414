"""Descriptions of image models of any size follow configurations other than the tiny one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel

from harness import TasksManager
from harness.configs.axes import AxisExpression

GATE = {"segformer", "cvt", "convnext", "mobilenet_v2"}
"""One architecture for each way in which positions follow from the configuration."""

CASES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("segformer", {"strides": [2, 2, 2, 2], "sr_ratios": [4, 4, 2, 1]}),
    ("pvt_v2", {}),
    ("glpn", {}),
    ("resnet", {"downsample_in_first_stage": True}),
    ("regnet", {"downsample_in_first_stage": False}),
    ("bit", {"output_stride": 16}),
    ("textnet", {}),
    ("convnext", {}),
    ("convnextv2", {"patch_size": 2}),
    ("dinov3_convnext", {}),
    ("mobilenet_v1", {"tf_padding": False}),
    ("mobilenet_v2", {"output_stride": 8}),
    ("efficientnet", {}),
    ("mobilevit", {"output_stride": 16}),
    ("mobilevitv2", {}),
    ("poolformer", {}),
    ("cvt", {"patch_padding": [1, 1, 1]}),
    ("swiftformer", {}),
    ("focalnet", {"patch_size": 8}),
)


@pytest.mark.parametrize(
    ("architecture", "settings"),
    [
        pytest.param(*case, marks=() if case[0] in GATE else pytest.mark.full, id=case[0])
        for case in CASES
    ],
)
def test_outputs_have_the_axes_that_the_configuration_says(
    architecture: str, settings: dict[str, Any]
) -> None:
    config = AutoConfig.for_model(architecture, **settings)
    describe = TasksManager.get_exporter_config_constructor(
        "onnx", model_type=architecture, task="feature-extraction"
    )
    described = describe(config)
    with torch.device("meta"):
        model = AutoModel.from_config(config).eval()
    ranges = described.axis_ranges
    height, width = ranges["height"], ranges["width"]
    for rows, columns in ((height.low, width.export), (height.export, width.low)):
        pixels = torch.empty(2, 3, rows, columns, device="meta")
        with torch.no_grad():
            outputs = model(pixel_values=pixels)
        sizes = {"batch_size": 2, "height": rows, "width": columns}
        for name, axes in described.outputs.items():
            for axis, text in axes.items():
                assert outputs[name].shape[axis] == AxisExpression.parse(text).evaluate(sizes)


@pytest.mark.parametrize("architecture", ["segformer", "pvt_v2"])
def test_an_image_with_too_few_pixels_for_a_key_is_refused(architecture: str) -> None:
    config = AutoConfig.for_model(architecture)
    describe = TasksManager.get_exporter_config_constructor(
        "onnx", model_type=architecture, task="feature-extraction"
    )
    low = describe(config).axis_ranges["height"].low
    with torch.device("meta"):
        model = AutoModel.from_config(config).eval()
    with pytest.raises(RuntimeError), torch.no_grad():
        model(pixel_values=torch.empty(1, 3, low - 1, low, device="meta"))
