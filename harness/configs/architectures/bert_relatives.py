"""Encoders that take BERT's three inputs and compute otherwise inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.configs.architectures.bert import BertOnnxConfig
from harness.configs.task_table import ENCODER_TASKS
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn


@register("albert", tasks=ENCODER_TASKS)
class AlbertOnnxConfig(BertOnnxConfig):
    """ALBERT: groups of layers that share their weights, and narrow embeddings."""


@register("convbert", tasks=ENCODER_TASKS)
class ConvBertOnnxConfig(BertOnnxConfig):
    """ConvBERT: half of the heads are convolutions whose kernels follow from the tokens."""


@register("electra", tasks=ENCODER_TASKS)
class ElectraOnnxConfig(BertOnnxConfig):
    """ELECTRA: narrow embeddings."""


@register("ernie", tasks=ENCODER_TASKS)
class ErnieOnnxConfig(BertOnnxConfig):
    """ERNIE: BERT with a table of task types, of which a file has the first."""


@register("megatron-bert", tasks=ENCODER_TASKS)
class MegatronBertOnnxConfig(BertOnnxConfig):
    """Megatron-BERT: normalises before attention and feed-forward."""


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


@register("nystromformer", tasks=ENCODER_TASKS)
class NystromformerOnnxConfig(BertOnnxConfig):
    """Nystromformer with full attention and a convolution over the values."""


@register("rembert", tasks=ENCODER_TASKS)
class RemBertOnnxConfig(BertOnnxConfig):
    """RemBERT: input and output embeddings of other widths than the layers."""


@register("roformer", tasks=ENCODER_TASKS)
class RoFormerOnnxConfig(BertOnnxConfig):
    """RoFormer: rotary positions."""


@register("splinter", tasks=("feature-extraction", "question-answering"))
class SplinterOnnxConfig(BertOnnxConfig):
    """Splinter: a question is marked by its question token."""


@register("squeezebert", tasks=ENCODER_TASKS)
class SqueezeBertOnnxConfig(BertOnnxConfig):
    """SqueezeBERT: grouped convolutions in place of dense layers."""
