"""A tiny configuration keeps what the default one relates, and says what it lacks."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
from transformers import AutoConfig

from harness.inference.configuration.module_classes import (
    build_on_meta,
    classes_of_all_kinds,
    classes_of_default,
    module_classes,
)
from harness.inference.configuration.plans import LADDER, Plan
from harness.inference.configuration.setting_repairs import repaired
from harness.inference.configuration.shrinking import shrink
from harness.inference.configuration.tiny_configuration import MEGABYTE, tiny_configurations
from harness.inference.configuration.width_repairs import width_repairs
from harness.inference.failures import Failure
from harness.inference.stops import InferenceStopped, Stop


def _tiny(model_type: str, plan: Plan = LADDER[0]) -> Any:
    settings = shrink(AutoConfig.for_model(model_type), plan)
    return AutoConfig.for_model(model_type, **settings)


def test_a_text_decoder_has_distinct_widths_and_fewer_key_value_heads() -> None:
    tiny = _tiny("olmo3")
    assert tiny.num_key_value_heads < tiny.num_attention_heads
    widths = {tiny.hidden_size, tiny.intermediate_size, tiny.vocab_size}
    assert len(widths | {tiny.max_position_embeddings}) == 4
    assert tiny.hidden_size % tiny.num_attention_heads == 0
    assert tiny.sliding_window == 4
    assert tiny.attention_dropout > 0


def test_one_layer_of_each_kind_stays() -> None:
    default = AutoConfig.for_model("qwen3_next")
    assert len(default.layer_types) > 10
    tiny = _tiny("qwen3_next", Plan(adds_kinds=False, layers=1))
    assert sorted(tiny.layer_types) == sorted(set(default.layer_types))


def test_layers_with_a_window_that_the_default_lacks_have_one() -> None:
    """Qwen2's configuration drops its window by default, and has no layer that needs one."""
    config = _tiny("qwen2")
    assert "sliding_attention" in config.layer_types
    assert config.sliding_window == 4


def test_a_head_has_the_same_share_of_the_hidden_size() -> None:
    default, tiny = AutoConfig.for_model("t5"), _tiny("t5")
    assert default.d_kv * default.num_heads == default.d_model
    assert tiny.d_kv * tiny.num_heads == tiny.d_model < default.d_model


def test_widths_of_stages_are_multiples_of_their_heads() -> None:
    tiny = _tiny("segformer")
    heads = tiny.num_attention_heads
    assert all(size % n == 0 for size, n in zip(tiny.hidden_sizes, heads, strict=True))
    assert max(tiny.hidden_sizes) < max(AutoConfig.for_model("segformer").hidden_sizes)


def test_nested_configurations_shrink_with_the_tokens_that_stand_for_images() -> None:
    tiny = _tiny("idefics3")
    assert tiny.text_config.hidden_size != tiny.vision_config.hidden_size
    assert tiny.image_token_id < tiny.text_config.vocab_size
    assert tiny.vision_config.image_size % tiny.vision_config.patch_size == 0


def test_a_kind_of_layer_that_only_the_source_names_is_missing_without_one() -> None:
    """The default of LFM2 has no layer with a convolution."""
    required = classes_of_default("lfm2", "text-generation")
    assert "Lfm2ShortConv" not in required
    required |= classes_of_all_kinds("lfm2", "text-generation")
    without = shrink(AutoConfig.for_model("lfm2"), Plan(adds_kinds=False))
    lacking = build_on_meta("text-generation", AutoConfig.for_model("lfm2", **without))
    assert required - module_classes(lacking) == {"Lfm2ShortConv", "Conv1d"}
    complete = next(tiny_configurations("lfm2", "text-generation"))
    assert required <= module_classes(complete.build())


@pytest.mark.parametrize(
    ("model_type", "task"), [("segformer", "image-classification"), ("olmo3", "text-generation")]
)
def test_tiny_models_are_small_and_built_again_alike(model_type: str, task: str) -> None:
    import torch

    tiny = next(tiny_configurations(model_type, task))
    assert tiny.is_small
    assert tiny.size < (1 if tiny.is_text else 4) * MEGABYTE
    first, second = tiny.build().state_dict(), tiny.build().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_deep_convolutions_are_spread_by_their_inputs() -> None:
    tiny = next(tiny_configurations("regnet", "image-classification"))
    assert tiny.perturbation["kernel_gain"] > 0
    assert {"*.running_mean", "*.running_var"} <= set(tiny.perturbation["buffers"])


@pytest.mark.skipif(importlib.util.find_spec("natten") is not None, reason="natten is installed")
def test_a_package_that_is_not_installed_is_named() -> None:
    with pytest.raises(InferenceStopped, match="a package is not installed: natten") as caught:
        next(tiny_configurations("dinat", "image-classification"))
    assert caught.value.stop is Stop.PACKAGE


def test_a_width_in_a_shape_error_names_the_settings_that_have_it() -> None:
    settings = shrink(AutoConfig.for_model("clip"), LADDER[0])
    tiny = AutoConfig.for_model("clip", **settings)
    text, vision = tiny.text_config.hidden_size, tiny.vision_config.hidden_size
    assert text != vision
    failure = Failure.of(
        RuntimeError(f"mat1 and mat2 shapes cannot be multiplied (8x{vision} and {text}x12)")
    )
    repairs = {repair.note: repair for repair in width_repairs(tiny, settings, failure)}
    repair = repairs[f"vision_config.hidden_size is {text}"]
    assert AutoConfig.for_model("clip", **repair.settings).vision_config.hidden_size == text
    assert settings["vision_config"]["hidden_size"] == vision, "the settings stay"


def test_outputs_of_layers_that_a_tower_no_longer_has_are_not_read() -> None:
    default, tiny = AutoConfig.for_model("vipllava"), _tiny("vipllava")
    assert min(default.vision_feature_layers) < -tiny.vision_config.num_hidden_layers - 1
    assert set(tiny.vision_feature_layers) <= {-2, -1, 1}


def test_a_part_that_needs_a_package_is_borrowed_and_asked_about() -> None:
    if importlib.util.find_spec("timm") is not None:
        pytest.skip("timm is installed")
    tiny = next(tiny_configurations("conditional_detr", "object-detection"))
    assert tiny.settings["backbone_config"]["model_type"] != "timm_backbone"
    (question,) = tiny.questions
    assert question.startswith("backbone_config: which one, since the default needs a package?")


def test_an_error_without_a_rule_repairs_nothing() -> None:
    default = AutoConfig.for_model("olmo3")
    assert repaired(default, {}, ValueError("something else")) is None
    repair = repaired(default, {}, ValueError("no padding token is defined"))
    assert repair is not None
    assert repair.settings == {"pad_token_id": 0}
    assert repair.note == "pad_token_id is 0"


def test_a_setting_that_the_default_leaves_open_is_asked_about() -> None:
    tiny = next(tiny_configurations("lfm2_moe", "feature-extraction"))
    assert AutoConfig.for_model("lfm2_moe").layer_types is None
    assert set(tiny.settings["layer_types"]) == {"conv", "full_attention"}
    (question,) = tiny.questions
    assert question.startswith("layer_types: which value do checkpoints have?")


def test_the_first_of_several_classes_is_taken() -> None:
    tiny = next(tiny_configurations("deit", "image-classification"))
    assert type(tiny.build()).__name__ == "DeiTForImageClassification"
