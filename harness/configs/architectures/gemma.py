"""Gemma, the generations that are text alone or can be used so."""

from __future__ import annotations

import functools
import statistics
from typing import TYPE_CHECKING, Any

from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.dummy_inputs import DummyPastKeyValuesGenerator
from harness.configs.feed_generators import Dims
from harness.configs.normalized_config import NormalizedTextConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import DECODER_TASKS, GENERATING_TASKS, LABELLING_TASKS
from harness.configs.tasks import register
from harness.configs.text_inputs import DummyTextInputGenerator

if TYPE_CHECKING:
    import torch
    from torch import nn


class NormalizedNestedTextConfig(NormalizedTextConfig):
    """The text side of a model that may see images, too."""

    def __init__(self, config: Any) -> None:
        super().__init__(config.text_config)


@register("gemma3", tasks=DECODER_TASKS)
class Gemma3OnnxConfig(LlamaOnnxConfig):
    """Gemma 3, asked without images."""

    NORMALIZED_CONFIG_CLASS = NormalizedNestedTextConfig


class NormalizedSharingConfig(NormalizedTextConfig):
    """The last layers look at the keys and values of earlier ones, and keep none."""

    @property
    def num_layers(self) -> int:
        return int(self.config.num_hidden_layers - self.config.num_kv_shared_layers)


class DummyLayerwisePastGenerator(DummyPastKeyValuesGenerator):
    """Keys and values whose heads differ from layer to layer in number and size."""

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        layer = self.normalized_config.per_layer_config[int(name.split(".")[1])]
        return self._normal((dims[0], layer.num_key_value_heads, dims[2], layer.head_dim))


@register("gemma3n_text", tasks=GENERATING_TASKS)
class Gemma3nTextOnnxConfig(LlamaOnnxConfig):
    """Gemma 3n without its towers: parallel streams, embeddings of each layer, shared caches."""

    NORMALIZED_CONFIG_CLASS = NormalizedSharingConfig

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Find beforehand how far above the mean activations are cut off, for which dynamo would
        need the inverse of the error function.
        """
        for module in model.modules():
            share = getattr(module, "activation_sparsity", 0.0)
            if share > 0.0:
                quantile = statistics.NormalDist().inv_cdf(share)
                vars(module)["_gaussian_topk"] = functools.partial(_cut_off, quantile)
        return model


def _cut_off(deviations: float, x: torch.Tensor) -> torch.Tensor:
    """What of `x` is more than so many standard deviations above the mean, less that."""
    spread = x.std(dim=-1, keepdim=True, unbiased=False)
    return (x - (x.mean(dim=-1, keepdim=True) + spread * deviations)).relu()


@register("gemma4_text", tasks=GENERATING_TASKS)
class Gemma4TextOnnxConfig(Gemma3nTextOnnxConfig):
    """Gemma 4 without its towers: layers that see everything have heads of their own size."""

    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator, DummyLayerwisePastGenerator)


register_rows(
    LlamaOnnxConfig,
    # Optimum leaves `position_ids` out; generation feeds them, and they matter if a mask has
    # holes.
    Row("gemma", "Gemma", LABELLING_TASKS, "scaled embeddings, norms offset from 1"),
    Row("gemma2", "Gemma2", LABELLING_TASKS, "Gemma with soft caps and windows"),
    Row("gemma3_text", "Gemma3Text", DECODER_TASKS, "Gemma with norms of queries and keys"),
    Row("vaultgemma", "VaultGemma", GENERATING_TASKS, "Gemma 2 without norms after its blocks"),
)

register_rows(
    Gemma4TextOnnxConfig,
    Row("gemma4_unified_text", "Gemma4UnifiedText", GENERATING_TASKS, "no per-layer embeddings"),
)
