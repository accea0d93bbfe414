"""Mixtral and other decoders that route each token to a few of their experts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from harness.configs.architectures.interleaved import RepeatsAngles, RotatesByRepeating
from harness.configs.base import OnnxConfig
from harness.configs.dummy_inputs import DummyPastKeyValuesGenerator
from harness.configs.feed_generators import Dims
from harness.configs.middle_end import TextDecoderWithPositionIdsOnnxConfig
from harness.configs.normalized_config import NormalizedConfig, NormalizedTextConfig
from harness.configs.task_table import ANSWERING_TASKS, DECODER_TASKS, GENERATING_TASKS
from harness.configs.tasks import register
from harness.configs.text_inputs import DummyTextInputGenerator

if TYPE_CHECKING:
    import torch
    from torch import nn


class RoutesExperts(OnnxConfig):
    """A capability: transformers has other ways to run the experts of the model."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Multiply each token by the gathered weights of its experts. Otherwise tokens are grouped
        by their expert: neither exporter converts the grouped product, and a loop over the experts
        that were met keeps those of the example."""
        routed: Any = super().patch_model_for_export(model)
        routed.set_experts_implementation("batched_mm")
        patched: nn.Module = routed
        return patched


@register("mixtral", tasks=ANSWERING_TASKS)
class MixtralOnnxConfig(RoutesExperts, TextDecoderWithPositionIdsOnnxConfig):
    """Mixtral: a Llama with experts, whose layers may see a window."""

    NORMALIZED_CONFIG_CLASS: ClassVar[type[NormalizedConfig]] = NormalizedTextConfig


@register("qwen3_moe", tasks=ANSWERING_TASKS)
class Qwen3MoeOnnxConfig(MixtralOnnxConfig):
    """Qwen3-MoE: queries and keys are normalised, some layers have no experts."""


@register("qwen2_moe", tasks=ANSWERING_TASKS)
class Qwen2MoeOnnxConfig(MixtralOnnxConfig):
    """Qwen2-MoE: one more expert for all tokens, behind a gate."""


@register("gpt_oss", tasks=(*DECODER_TASKS, "token-classification"))
class GptOssOnnxConfig(MixtralOnnxConfig):
    """GPT-OSS: a learned sink in each attention, windows in every other layer."""


@register("olmoe", tasks=GENERATING_TASKS)
class OlmoeOnnxConfig(MixtralOnnxConfig):
    """OLMoE: queries and keys are normalised over all heads, and clipped where configured so."""


@register("flex_olmo", tasks=GENERATING_TASKS)
class FlexOlmoOnnxConfig(MixtralOnnxConfig):
    """FlexOlmo: norms stand behind attention and experts."""


@register("phimoe", tasks=DECODER_TASKS)
class PhimoeOnnxConfig(MixtralOnnxConfig):
    """Phi-MoE: the second expert is chosen without the first, layer norms have biases."""


@register("granitemoe", tasks=GENERATING_TASKS)
class GraniteMoeOnnxConfig(MixtralOnnxConfig):
    """Granite-MoE: embeddings, attention, residuals and logits are scaled."""


@register("granitemoeshared", tasks=GENERATING_TASKS)
class GraniteMoeSharedOnnxConfig(GraniteMoeOnnxConfig):
    """Granite-MoE with one more expert for all tokens."""


@register("granitemoe_swa", tasks=GENERATING_TASKS)
class GraniteMoeSWAOnnxConfig(GraniteMoeSharedOnnxConfig):
    """Granite-MoE with windows, and rotary positions only where a layer has them."""


@register("glm4_moe", tasks=GENERATING_TASKS)
class Glm4MoeOnnxConfig(MixtralOnnxConfig):
    """GLM-4-MoE: experts are chosen from the best groups of them."""


@register("solar_open", tasks=GENERATING_TASKS)
class SolarOpenOnnxConfig(Glm4MoeOnnxConfig):
    """Solar Open: experts in all layers."""


@register("dots1", tasks=GENERATING_TASKS)
class Dots1OnnxConfig(Glm4MoeOnnxConfig):
    """dots.llm1: windows in some layers."""


@register("exaone_moe", tasks=GENERATING_TASKS)
class ExaoneMoeOnnxConfig(Glm4MoeOnnxConfig):
    """EXAONE-MoE: only layers with sliding-window attention have rotary position embeddings."""


@register("afmoe", tasks=GENERATING_TASKS)
class AfmoeOnnxConfig(MixtralOnnxConfig):
    """Arcee's mixture: a gate behind each attention, rotary positions only within windows."""


@register("hy_v3", tasks=GENERATING_TASKS)
class HYV3OnnxConfig(Glm4MoeOnnxConfig):
    """Hunyuan 3: the share of each expert is scaled."""


@register("kolibri1", tasks=GENERATING_TASKS)
class Kolibri1OnnxConfig(Glm4MoeOnnxConfig):
    """Kolibri: norms on both sides of each block, rotary positions only within windows."""


@register("beam", tasks=GENERATING_TASKS)
class BeamOnnxConfig(Glm4MoeOnnxConfig):
    """Beam: residuals scaled by their depth, queries by their position where nothing is rotated."""


@register("laguna", tasks=GENERATING_TASKS)
class LagunaOnnxConfig(MixtralOnnxConfig):
    """Laguna: more heads of queries in some layers, a gate behind each attention."""


@register("mellum", tasks=GENERATING_TASKS)
class MellumOnnxConfig(MixtralOnnxConfig):
    """Mellum: other rotary positions within windows."""


@register("flint", tasks=GENERATING_TASKS)
class FlintOnnxConfig(MixtralOnnxConfig):
    """Flint: a learned sink in each attention, rotary positions only within windows."""


@register("aria_text", tasks=GENERATING_TASKS)
class AriaTextOnnxConfig(MixtralOnnxConfig):
    """Aria's text model: further experts take all tokens."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Give the further experts tokens as they came: joined to one axis and parted again, their
        strides are a minimum that torch.export asks about
        (docs/findings/export-collapsed-stride.md)."""
        patched = super().patch_model_for_export(model)
        for module in patched.modules():
            if type(module).__name__ == "AriaTextMoELayer":
                vars(module)["forward"] = partial(_with_shared, module)
        return patched


def _with_shared(layer: Any, hidden: torch.Tensor) -> torch.Tensor:
    """What all experts of a layer make of tokens: [batch, length, width] of both."""
    tokens = hidden.flatten(0, 1)
    _, shares, chosen = layer.router(tokens)
    routed: torch.Tensor = layer.experts(tokens, chosen, shares).view(hidden.shape)
    return routed + layer.shared_experts(hidden)


@register("minimax_m2", tasks=GENERATING_TASKS)
class MiniMaxM2OnnxConfig(MixtralOnnxConfig):
    """MiniMax-M2: rotary positions on a part of each head."""


@register("ernie4_5_moe", tasks=GENERATING_TASKS)
class Ernie45MoeOnnxConfig(RotatesByRepeating, MixtralOnnxConfig):
    """ERNIE 4.5 with experts: further ones take all tokens."""


@register("hunyuan_v1_moe", tasks=DECODER_TASKS)
class HunYuanMoEV1OnnxConfig(MixtralOnnxConfig):
    """Hunyuan: queries and keys are normalised after their rotation."""


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
class MiMoV2FlashOnnxConfig(Glm4MoeOnnxConfig):
    """MiMo-V2-Flash: windows with more heads and a learned sink, values smaller than keys."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig.with_args(value_head_dim="v_head_dim")
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator, DummyMiMoPastKeyValuesGenerator)
