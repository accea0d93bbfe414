"""DeepSeek and other mixtures of experts whose cache holds what keys and values are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.configs.architectures.complex_rotary import RotatesComplexNumbers
from harness.configs.architectures.mixtral import MixtralOnnxConfig
from harness.configs.middle_end import TextDecoderWithPositionIdsOnnxConfig
from harness.configs.normalized_config import NormalizedTextConfig
from harness.configs.replaced_functions import replace_forward
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import DECODER_TASKS, GENERATING_TASKS
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn


class NormalizedLatentAttentionConfig(NormalizedTextConfig):
    """A latent attention, which caches no heads: in place of the keys what keys and values are
    projected from, in place of the values the rotated part that all keys share."""

    @property
    def num_key_value_heads(self) -> int:
        return 1

    @property
    def head_dim(self) -> int:
        return int(self.kv_lora_rank)

    @property
    def value_head_dim(self) -> int:
        return int(self.qk_rope_head_dim)


@register("deepseek_v3", tasks=(*DECODER_TASKS, "token-classification"))
class DeepseekV3OnnxConfig(MixtralOnnxConfig):
    """DeepSeek-V3: experts are chosen from the best groups of them."""

    NORMALIZED_CONFIG_CLASS = NormalizedLatentAttentionConfig


@register("deepseek_v2", tasks=DECODER_TASKS)
class DeepseekV2OnnxConfig(RotatesComplexNumbers, DeepseekV3OnnxConfig):
    """DeepSeek-V2: experts are scored by a softmax, positions turn complex numbers."""


class NormalizedLongcatFlashConfig(NormalizedLatentAttentionConfig):
    """LongCat-Flash's, whose layers attend twice."""

    @property
    def num_layers(self) -> int:
        return 2 * int(self.config.num_layers)


@register("longcat_flash", tasks=GENERATING_TASKS)
class LongcatFlashOnnxConfig(TextDecoderWithPositionIdsOnnxConfig):
    """LongCat-Flash: some experts return a token as it is; transformers runs them in one way."""

    NORMALIZED_CONFIG_CLASS = NormalizedLongcatFlashConfig

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Multiply each token by the gathered weights of its experts: a loop over the experts that
        were met keeps the experts of the example."""
        return replace_forward(model, "LongcatFlashExperts", _gathered)


def _gathered(
    experts: Any, tokens: torch.Tensor, chosen: torch.Tensor, shares: torch.Tensor
) -> torch.Tensor:
    """What the chosen experts make of each token, by shares: [tokens, chosen] of both."""
    import torch

    last = experts.num_routed_experts - 1
    column = tokens[:, None, :, None]
    gate, up = (experts.gate_up_proj[chosen] @ column).chunk(2, dim=2)
    outputs = (experts.down_proj[chosen.clamp(max=last)] @ (experts.act_fn(gate) * up)).squeeze(3)
    outputs = torch.where((chosen > last).unsqueeze(-1), tokens.unsqueeze(1), outputs)
    return (outputs * shares.unsqueeze(-1)).sum(dim=1)


register_rows(
    DeepseekV3OnnxConfig,
    Row("axk1", "AXK1", (*DECODER_TASKS, "token-classification"), "another norm"),
    Row("glm4_moe_lite", "Glm4MoeLite", GENERATING_TASKS, "other sizes"),
)
