"""Mixtral and other decoders that route each token to a few of their experts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.configs.architectures.interleaved import RepeatsAngles, RotatesByRepeating
from harness.configs.dummy_inputs import DummyPastKeyValuesGenerator
from harness.configs.feed_generators import Dims
from harness.configs.middle_end import TextDecoderWithPositionIdsOnnxConfig
from harness.configs.normalized_config import NormalizedTextConfig
from harness.configs.replaced_functions import replace_forward
from harness.configs.routed_experts import RoutesExperts
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import ANSWERING_TASKS, DECODER_TASKS, GENERATING_TASKS
from harness.configs.tasks import register
from harness.configs.text_inputs import DummyTextInputGenerator

if TYPE_CHECKING:
    import torch
    from torch import nn


@register("mixtral", tasks=ANSWERING_TASKS)
class MixtralOnnxConfig(RoutesExperts, TextDecoderWithPositionIdsOnnxConfig):
    """Mixtral: a Llama with experts, whose layers may see a window."""


@register("aria_text", tasks=GENERATING_TASKS)
class AriaTextOnnxConfig(MixtralOnnxConfig):
    """Aria's text model: further experts take all tokens."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Give the further experts tokens as they came: joined to one axis and parted again, their
        strides are a minimum that torch.export asks about
        (docs/findings/export-collapsed-stride.md)."""
        patched = super().patch_model_for_export(model)
        return replace_forward(patched, "AriaTextMoELayer", _with_shared)


def _with_shared(layer: Any, hidden: torch.Tensor) -> torch.Tensor:
    """What all experts of a layer make of tokens: [batch, length, width] of both."""
    tokens = hidden.flatten(0, 1)
    _, shares, chosen = layer.router(tokens)
    routed: torch.Tensor = layer.experts(tokens, chosen, shares).view(hidden.shape)
    return routed + layer.shared_experts(hidden)


@register("ernie4_5_moe", tasks=GENERATING_TASKS)
class Ernie45MoeOnnxConfig(RotatesByRepeating, MixtralOnnxConfig):
    """ERNIE 4.5 with experts: further ones take all tokens."""


@register("cohere2_moe", tasks=GENERATING_TASKS)
class Cohere2MoeOnnxConfig(RepeatsAngles, MixtralOnnxConfig):
    """Cohere2 with experts: attention and experts in parallel, rotary positions within windows."""


class DummyMiMoPastKeyValuesGenerator(DummyPastKeyValuesGenerator):
    """Layers with a window keep twice as many heads."""

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        import torch

        made = super().generate(name, dims)
        layer = int(name.split(".")[1])
        if self.normalized_config.layer_types[layer] == "full_attention":
            return made
        return torch.cat((made, self._normal(tuple(made.shape))), dim=1)


@register("mimo_v2_flash", tasks=GENERATING_TASKS)
class MiMoV2FlashOnnxConfig(MixtralOnnxConfig):
    """MiMo-V2-Flash: windows with more heads and a learned sink, values smaller than keys."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig.with_args(value_head_dim="v_head_dim")
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator, DummyMiMoPastKeyValuesGenerator)


register_rows(
    MixtralOnnxConfig,
    Row("qwen3_moe", "Qwen3Moe", ANSWERING_TASKS, "norms of queries and keys"),
    Row("qwen2_moe", "Qwen2Moe", ANSWERING_TASKS, "one more expert for all tokens, behind a gate"),
    Row("gpt_oss", "GptOss", (*DECODER_TASKS, "token-classification"), "a sink, windows"),
    Row("olmoe", "Olmoe", GENERATING_TASKS, "norms of queries and keys over all heads"),
    Row("flex_olmo", "FlexOlmo", GENERATING_TASKS, "norms behind attention and experts"),
    Row("phimoe", "Phimoe", DECODER_TASKS, "the second expert is chosen without the first"),
    Row("granitemoe", "GraniteMoe", GENERATING_TASKS, "factors as in Granite"),
    Row("granitemoeshared", "GraniteMoeShared", GENERATING_TASKS, "one more expert for all tokens"),
    Row("granitemoe_swa", "GraniteMoeSWA", GENERATING_TASKS, "windows, positions in some layers"),
    Row("glm4_moe", "Glm4Moe", GENERATING_TASKS, "experts are chosen from their best groups"),
    Row("solar_open", "SolarOpen", GENERATING_TASKS, "GLM-4-MoE with experts in all layers"),
    Row("dots1", "Dots1", GENERATING_TASKS, "GLM-4-MoE with windows in some layers"),
    Row("exaone_moe", "ExaoneMoe", GENERATING_TASKS, "GLM-4-MoE, positions within windows only"),
    Row("afmoe", "Afmoe", GENERATING_TASKS, "a gate, positions within windows only"),
    Row("hy_v3", "HYV3", GENERATING_TASKS, "GLM-4-MoE, the share of each expert is scaled"),
    Row("kolibri1", "Kolibri1", GENERATING_TASKS, "GLM-4-MoE, norms on both sides of each block"),
    Row("beam", "Beam", GENERATING_TASKS, "GLM-4-MoE, residuals scaled by their depth"),
    Row("laguna", "Laguna", GENERATING_TASKS, "more query heads in some layers, a gate"),
    Row("mellum", "Mellum", GENERATING_TASKS, "other rotary positions within windows"),
    Row("flint", "Flint", GENERATING_TASKS, "a learned sink, positions within windows only"),
    Row("minimax_m2", "MiniMaxM2", GENERATING_TASKS, "rotary positions on a part of each head"),
    Row("hunyuan_v1_moe", "HunYuanMoEV1", DECODER_TASKS, "norms of rotated queries and keys"),
)
