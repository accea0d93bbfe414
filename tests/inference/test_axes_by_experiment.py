"""Axes are found by experiment: which are free, which are tied, and how outputs follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

from harness.configs.axes import AxisExpression
from harness.evidence.reference import call_reference
from harness.inference.comparison.described_feed import DescribedFeed
from harness.inference.experiments.axes import UnusableFeedError, infer_axes
from harness.inference.experiments.eager_model import EagerModel
from harness.inference.experiments.experiment import Budget, Experiment, Place
from harness.inference.proposal import Step, infer
from tests.inference.small_experiments import axes_of, experiment_on, tied

MOST_CALLS = 120


def _expression(text: str) -> AxisExpression:
    return AxisExpression.parse(text)


def test_bert_reads_as_much_of_a_mask_as_it_has_tokens(subject: Callable[..., Any]) -> None:
    one = subject("bert", "fill-mask")
    axes, _ = axes_of(one, EagerModel(one.model))
    assert {"input_ids.0", "attention_mask.0", "token_type_ids.0"} in tied(axes)
    assert {"input_ids.1", "attention_mask.1", "token_type_ids.1"} in tied(axes)
    assert [str(axis) for axis in axes.outputs["logits"]] == ["input_ids__0", "input_ids__1", "101"]
    ceilings = {(c.axis, c.path): c.is_confirmed for c in axes.ceilings}
    assert ceilings["input_ids.1", "max_position_embeddings"]
    assert not ceilings["input_ids.0", "max_position_embeddings"]
    assert axes.calls <= MOST_CALLS


def test_a_mask_over_a_past_and_its_tokens_follows_both(subject: Callable[..., Any]) -> None:
    one = subject("gpt2", "text-generation-with-past")
    known: dict[Place, str | int] = {
        (name, axis): label
        for name in one.config.inputs
        if name.startswith("past_key_values")
        for axis, label in ((0, "rows"), (1, 4), (2, "past"), (3, 5))
    }
    feed = DescribedFeed(one.config, known)

    def call(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        arrays = call_reference(one.model, one.config, tensors)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    axes = infer_axes(Experiment(call=call, feed=feed))
    assert axes.followers["attention_mask.1"] == _expression("past + input_ids__1")
    assert str(axes.outputs["present.0.key"][2]) == "input_ids__1 + past"


def test_vit_has_one_size_of_image(subject: Callable[..., Any]) -> None:
    one = subject("vit", "image-classification")
    axes, _ = axes_of(one, EagerModel(one.model))
    assert set(axes.fixed) == {f"pixel_values.{axis}" for axis in (1, 2, 3)}


def test_swin_rounds_both_sides_of_an_image_up(subject: Callable[..., Any]) -> None:
    one = subject("swin", "feature-extraction")
    axes, _ = axes_of(one, EagerModel(one.model))
    found = axes.outputs["last_hidden_state"][1].expression
    assert found == _expression("ceil(pixel_values__2 / 4) * ceil(pixel_values__3 / 4)")
    assert found != _expression("(pixel_values__2 // 4) * (pixel_values__3 // 4)")
    height = axes.axis_of("pixel_values.2")
    assert height is not None
    assert str(height.sizes) == "from 13"


def test_wav2vec2_has_a_feature_for_each_stride_of_samples(subject: Callable[..., Any]) -> None:
    one = subject("wav2vec2", "feature-extraction")
    axes, _ = axes_of(one, EagerModel(one.model))
    declared = one.config.outputs["last_hidden_state"][1]
    samples = one.config.inputs["input_values"][1]
    found = axes.outputs["last_hidden_state"][1].expression
    assert found is not None
    assert one.config.axis_space.agree(
        _expression(found.text.replace("input_values__1", samples)), _expression(declared)
    )


def test_the_batches_of_clip_are_independent(subject: Callable[..., Any]) -> None:
    one = subject("clip", "zero-shot-image-classification")
    axes, _ = axes_of(one, EagerModel(one.model))
    assert {"pixel_values.0"} in tied(axes)
    assert {"input_ids.0", "attention_mask.0"} in tied(axes)
    texts = [str(axis) for axis in axes.outputs["logits_per_image"]]
    assert texts == ["pixel_values__0", "input_ids__0"]
    assert "text_model_output.last_hidden_state" in axes.outputs


def test_the_patches_of_qwen2_vl_follow_from_values(subject: Callable[..., Any]) -> None:
    one = subject("qwen2_vl", "image-text-to-text")
    part = one.config.parts["vision_encoder"]

    def features(feed: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            return {"features": torch.cat(one.model.get_image_features(**feed).pooler_output)}

    axes, _ = axes_of(type(one)(one.model, part), features)
    assert axes.outputs["features"][0].expression == _expression("pixel_values__0 // 4")


def test_multiples_bounds_and_followers_are_found() -> None:
    def function(image: torch.Tensor, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        if image.shape[0] % 14 or image.shape[0] < 28 or queries.shape[0] > 20:
            raise ValueError("an image of this size is refused")
        if keys.shape[0] != queries.shape[0] + image.shape[0]:
            raise ValueError("the keys do not fit")
        return torch.zeros(2, queries.shape[0])

    experiment = experiment_on(
        function, image={"height": 56}, queries={"length": 7}, keys={"keys": 63}
    )
    axes = infer_axes(experiment)
    height, length = axes.axis_of("height"), axes.axis_of("length")
    assert height is not None
    assert length is not None
    assert str(height.sizes) == "multiples of 14 from 28"
    assert str(length.sizes) == "any size, up to 20"
    assert axes.followers["keys"] == _expression("height + length")
    assert str(axes.outputs["output"][1]) == "length"


@pytest.mark.parametrize("patch", [4, 8])
def test_a_stride_that_is_rounded_up_is_the_step_of_an_axis(patch: int) -> None:
    def function(image: torch.Tensor) -> torch.Tensor:
        patches = -(-image.shape[0] // patch)
        if patches % (32 // patch):  # halved to strides of 32
            raise ValueError("an image of this size is refused")
        return torch.zeros(patches * patch // 32)

    axes = infer_axes(experiment_on(function, image={"height": 64}))
    height = axes.axis_of("height")
    assert height is not None
    assert str(height.sizes) == "multiples of 32 from 32"
    assert str(axes.outputs["output"][0]) == "height // 32"


def test_equal_sizes_that_need_not_be_equal_are_no_tie() -> None:
    experiment = experiment_on(
        lambda one, other: one.sum(1)[:, None] * other.sum(1),
        one={"rows": 3, "a": 4},
        other={"columns": 3, "b": 5},
    )
    groups = tied(infer_axes(experiment))
    assert {"rows"} in groups
    assert {"columns"} in groups


def test_images_that_are_cut_to_sizes_of_another_input_are_not_loose() -> None:
    """More rows of pixels change nothing by themselves, but sizes of more rows do."""
    found = infer("lighton_ocr", "image-text-to-text", Step.AXES).axes
    assert found is not None
    assert {axis.name for axis in found.axes if axis.is_free} == {
        *("batch_size", "sequence_length", "height", "width")
    }


def test_a_size_that_the_values_decide_is_recognised() -> None:
    experiment = experiment_on(lambda x: x[x > 0], x={"length": 9})
    (axis,) = infer_axes(experiment).outputs["output"]
    assert (axis.depends_on_data, axis.forms, str(axis)) == (True, (), "decided by the values")


def test_a_fit_that_is_not_unique_is_ambiguous() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] > 28:
            raise ValueError("too long to tell")
        return torch.zeros((x.shape[0] + 3) // 20)

    (axis,) = infer_axes(experiment_on(function, x={"length": 7})).outputs["output"]
    assert axis.is_ambiguous
    assert axis.expression is None
    assert " or " in str(axis)


def test_an_output_of_no_known_form_is_unknown() -> None:
    experiment = experiment_on(lambda x: torch.zeros(x.shape[0].bit_count()), x={"length": 9})
    (axis,) = infer_axes(experiment).outputs["output"]
    assert str(axis) == "unknown"


def test_the_budget_ends_an_experiment(subject: Callable[..., Any]) -> None:
    experiment = experiment_on(lambda x: x, x={"length": 9})
    few = Experiment(call=experiment.call, feed=experiment.feed, budget=Budget(calls=5))
    axes = infer_axes(few)
    assert (axes.calls, axes.is_complete) == (5, False)


def test_a_feed_that_eager_refuses_gives_its_error() -> None:
    def refuse(x: torch.Tensor) -> torch.Tensor:
        raise ValueError("no such feed")

    with pytest.raises(UnusableFeedError, match="ValueError: no such feed"):
        infer_axes(experiment_on(refuse, x={"length": 9}))
