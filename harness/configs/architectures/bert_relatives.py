"""Encoders that take BERT's three inputs and compute otherwise inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.configs.architectures.bert import BertOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import ENCODER_TASKS
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn


@register("mobilebert", tasks=ENCODER_TASKS)
class MobileBertOnnxConfig(BertOnnxConfig):
    """MobileBERT: bottlenecks, trigrams of embeddings, and scales in place of norms."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Pad texts before they are shifted by a token. Transformers pads what is left of a text
        after it, for which torch.export fixes that a text of two tokens leaves one."""
        for module in model.modules():
            if getattr(module, "trigram_input", False):
                module.trigram_input = False
                module.embedding_size = None  # so that forward transforms what it embedded
                module.embedding_transformation.register_forward_pre_hook(_with_neighbours)
        return model


def _with_neighbours(module: nn.Module, args: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
    """Beside each embedding that of the next token and of the one before, zeros at the ends."""
    import torch

    (embeddings,) = args
    padded = torch.nn.functional.pad(embeddings, (0, 0, 1, 1))
    return (torch.cat((padded[:, 2:], embeddings, padded[:, :-2]), dim=-1),)


register_rows(
    BertOnnxConfig,
    Row("albert", "Albert", ENCODER_TASKS, "groups of layers share weights, narrow embeddings"),
    Row("convbert", "ConvBert", ENCODER_TASKS, "half of the heads convolve by kernels of tokens"),
    Row("electra", "Electra", ENCODER_TASKS, "narrow embeddings"),
    Row("ernie", "Ernie", ENCODER_TASKS, "a table of task types, used at its first row"),
    Row("megatron-bert", "MegatronBert", ENCODER_TASKS, "norms before attention and feed-forward"),
    Row("nystromformer", "Nystromformer", ENCODER_TASKS, "full attention, convolved values"),
    Row("rembert", "RemBert", ENCODER_TASKS, "input and output embeddings of other widths"),
    Row("roformer", "RoFormer", ENCODER_TASKS, "rotary positions"),
    Row(
        "splinter",
        "Splinter",
        ("feature-extraction", "question-answering"),
        "a question is marked by its question token",
    ),
    Row("squeezebert", "SqueezeBert", ENCODER_TASKS, "grouped convolutions for dense layers"),
)
