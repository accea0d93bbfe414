"""DeBERTa."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.configs.architectures.bert import BertOnnxConfig
from harness.configs.task_table import ENCODER_TASKS, Axes
from harness.configs.tasks import register

if TYPE_CHECKING:
    from torch import nn


@register("deberta", tasks=[task for task in ENCODER_TASKS if task != "multiple-choice"])
class DebertaOnnxConfig(BertOnnxConfig):
    """DeBERTa: contents and relative positions attend to each other. Most checkpoints have no
    types of tokens, and forward ignores those that it is given then."""

    @property
    def inputs(self) -> Mapping[str, Axes]:
        inputs = dict(super().inputs)
        if not self.normalized_config.type_vocab_size:
            del inputs["token_type_ids"]
        return inputs

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Leave out the dropout of relative embeddings, which is nothing in evaluation: the dynamo
        exporter makes a copy of the table of it, for every layer."""
        from torch import nn

        for module in model.modules():
            if hasattr(module, "pos_dropout"):
                module.pos_dropout = nn.Identity()
        return model


@register("deberta-v2", tasks=ENCODER_TASKS)
class DebertaV2OnnxConfig(DebertaOnnxConfig):
    """DeBERTa v2 and v3: relative positions in logarithmic buckets, and a convolution."""

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        """Half of the buckets hold one distance each; farther tokens share the other half."""
        buckets = self.config.position_buckets
        return {"sequence_length": (buckets // 2,) if buckets > 0 else ()}
