"""Images of any size: what Swin and DETR admit, and how a batch of several sizes is padded."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import helper
from onnx.reference import ReferenceEvaluator
from transformers import SwinBackbone, SwinConfig

from harness import TasksManager
from harness.configs.architectures.detr import shrunk_mask
from harness.configs.architectures.swin_windows import decide_by_arithmetic
from harness.evidence.models import tiny_settings
from harness.evidence.reference import call_reference

SWIN = ("swin", "feature-extraction")
DETR = ("detr", "object-detection")
SMALLEST, SINGLE_WINDOW = 13, 16
"""Pixels of three positions and one pixel more, and of a window of four positions."""


def images(config: Any, height: int, width: int) -> dict[str, torch.Tensor]:
    feed: dict[str, torch.Tensor] = config.generate_dummy_inputs(
        seed=3, batch_size=2, height=height, width=width
    )
    return feed


def test_swin_takes_images_from_one_window_of_its_last_stage_on(
    subject: Callable[..., Any],
) -> None:
    one = subject(*SWIN)
    assert one.config.axis_space.ranges["height"].low == SMALLEST
    call_reference(one.model, one.config, images(one.config, SMALLEST, 40))
    smaller = {"pixel_values": torch.zeros(2, 3, SMALLEST - 1, 40)}
    with pytest.raises(RuntimeError, match="must match"):
        call_reference(one.model, one.config, smaller)


def test_a_layer_of_swin_keeps_the_shift_of_a_smaller_image(subject: Callable[..., Any]) -> None:
    """So references are computed from a model without memory of calls."""
    one = subject(*SWIN)
    used, large = copy.deepcopy(one.model), images(one.config, 33, 21)
    with torch.no_grad():
        before = used(**large).last_hidden_state
        used(**images(one.config, SINGLE_WINDOW, 21))
        assert (used(**large).last_hidden_state - before).abs().max() > 0.1
    reference = call_reference(one.model, one.config, large)["last_hidden_state"]
    call_reference(one.model, one.config, images(one.config, SINGLE_WINDOW, 21))
    again = call_reference(one.model, one.config, large)["last_hidden_state"]
    assert again.tobytes() == reference.tobytes() == before.numpy().tobytes()


def test_a_backbone_of_swin_shifts_in_a_single_window_too() -> None:
    """The second layer of its stage shifts, and the classifier's would not."""
    settings = {"patch_size": 2, "embed_dim": 8, "depths": [2], "num_heads": [2], "window_size": 4}
    torch.manual_seed(0)
    backbone = SwinBackbone(SwinConfig(image_size=16, **settings)).eval()
    for parameter in backbone.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    exported = decide_by_arithmetic(copy.deepcopy(backbone))
    for pixels in (torch.randn(2, 3, 5, 7), torch.randn(2, 3, 13, 18)):
        with torch.no_grad():
            (expected,) = backbone(pixels).feature_maps
            (got,) = exported(pixels).feature_maps
        assert (got - expected).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("height", "width"),
    [(SMALLEST, 40), (SINGLE_WINDOW, 21), (SINGLE_WINDOW + 1, 19), (33, 22), (48, 48)],
)
def test_swin_gives_the_same_values_without_branches(
    height: int, width: int, subject: Callable[..., Any]
) -> None:
    one = subject(*SWIN)
    patched = one.config.patch_model_for_export(copy.deepcopy(one.model))
    feed = images(one.config, height, width)
    with torch.no_grad():
        got = patched(**feed).last_hidden_state.numpy()
    expected = call_reference(one.model, one.config, feed)["last_hidden_state"]
    assert got.tobytes() == expected.tobytes()


def test_swin_with_absolute_positions_takes_images_of_one_size() -> None:
    from transformers import SwinConfig

    settings = tiny_settings(*SWIN, variant="absolute")
    describe = TasksManager.get_exporter_config_constructor("onnx", model_type="swin")
    config = describe(SwinConfig(**settings))
    assert config.inputs == {"pixel_values": {0: "batch_size"}}
    assert config.outputs["last_hidden_state"] == {0: "batch_size"}
    assert config.generate_dummy_inputs()["pixel_values"].shape == (3, 3, 20, 28)


@pytest.mark.parametrize("seed", range(6))
def test_a_batch_for_detr_is_padded_as_processors_pad(
    seed: int, subject: Callable[..., Any]
) -> None:
    feed = subject(*DETR).config.generate_dummy_inputs(seed=seed, batch_size=5)
    mask, pixels = feed["pixel_mask"], feed["pixel_values"]
    assert mask[0].all()
    assert (mask.diff(dim=1) <= 0).all()
    assert (mask.diff(dim=2) <= 0).all()
    assert torch.equal((pixels != 0).all(dim=1), mask.bool())
    assert mask.all() == (seed % 3 == 1), "images of one size are ordinary"


def test_learned_positions_of_detr_end_with_their_table() -> None:
    from transformers import DetrConfig

    settings = {**tiny_settings(*DETR), "position_embedding_type": "learned"}
    describe = TasksManager.get_exporter_config_constructor("onnx", model_type="detr")
    space = describe(DetrConfig(**settings)).axis_space
    assert {(one.text, limit) for one, limit in space.ceilings} == {
        ("ceil(height / 8)", 50),
        ("ceil(width / 8)", 50),
    }
    assert max(row["height"] for row in space.corners()) == 400


def test_masks_are_shrunk_as_by_transformers() -> None:
    wide = torch.arange(300)[None, None] + 1
    for size, places in ((28, 4), (62, 2), (35, 5), (31, 1), (299, 10)):
        mask = wide[:, :, :size]
        got = shrunk_mask(mask, (1, places))
        expected = torch.nn.functional.interpolate(mask[None].float(), size=(1, places))[0]
        assert torch.equal(got, expected.long())


def test_onnxruntime_shrinks_by_a_rounded_scale() -> None:
    """Should this fail, the patch of DETR is no longer needed."""
    inputs = [helper.make_tensor_value_info(*one) for one in (("x", 1, [28]), ("size", 7, [1]))]
    node = helper.make_node(
        "Resize",
        ["x", "", "", "size"],
        ["y"],
        mode="nearest",
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )
    result = helper.make_tensor_value_info("y", 1, ["places"])
    model = helper.make_model(
        helper.make_graph([node], "shrink", inputs, [result]),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    feed = {"x": np.arange(28, dtype=np.float32), "size": np.array([4])}
    (exact,) = ReferenceEvaluator(model).run(None, feed)
    (got,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feed)
    assert exact.tolist() == [0, 7, 14, 21]
    assert got.tolist() == [0, 6, 13, 21]
