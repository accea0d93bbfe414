"""MiniCPM 3 and Youtu: dense decoders whose cache is compressed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.dummy_inputs import DummyPastKeyValuesGenerator
from harness.configs.feed_generators import Dims
from harness.configs.normalized_config import NormalizedTextConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import DECODER_TASKS, GENERATING_TASKS
from harness.configs.tasks import register
from harness.configs.text_inputs import DummyTextInputGenerator

if TYPE_CHECKING:
    import torch


class NormalizedLatentConfig(NormalizedTextConfig):
    """Multi-head latent attention: what is kept of a token is the same for all heads."""

    @property
    def num_key_value_heads(self) -> int:
        return 1


class DummyLatentPastGenerator(DummyPastKeyValuesGenerator):
    """The cache of multi-head latent attention: in place of keys a latent of which keys and values
    are made, [batch, 1, past, rank], in place of values the rotated part of the keys."""

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        config = self.normalized_config
        size = config.kv_lora_rank if name.endswith(".key") else config.qk_rope_head_dim
        return self._normal((dims[0], config.num_key_value_heads, dims[2], size))


@register("minicpm3", tasks=DECODER_TASKS)
class MiniCPM3OnnxConfig(LlamaOnnxConfig):
    """MiniCPM 3: latent attention, factors on embeddings, residuals and logits."""

    NORMALIZED_CONFIG_CLASS = NormalizedLatentConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator, DummyLatentPastGenerator)


register_rows(
    MiniCPM3OnnxConfig,
    Row("youtu", "Youtu", GENERATING_TASKS, "neighbouring pairs are rotated"),
)
