"""XLM and FlauBERT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.configs.architectures.bert import BertOnnxConfig
from harness.configs.normalized_config import NormalizedTextConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import ENCODER_TASKS
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True, slots=True)
class _UncountedLengths:
    """Stands for the lengths of texts, of which forward only asserts that none exceeds the mask's.

    It counts them by tokens that are no padding, and what the mask hides comes from the mask alone.
    """

    batch_size: int
    device: torch.device

    def size(self, axis: int) -> int:
        return (self.batch_size,)[axis]

    def max(self) -> _UncountedLengths:
        return self

    def item(self) -> int:
        return 0


@register("xlm", tasks=ENCODER_TASKS)
class XLMOnnxConfig(BertOnnxConfig):
    """XLM: a type of token is embedded as the token of that id is."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig.with_args(type_vocab_size="vocab_size")

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Count no lengths: torch.export refuses to compare a number that data decides."""

        def add_lengths(
            module: nn.Module, args: tuple[Any, ...], keywords: dict[str, Any]
        ) -> tuple[tuple[Any, ...], dict[str, Any]]:
            tokens = keywords["input_ids"] if "input_ids" in keywords else args[0]
            lengths = _UncountedLengths(tokens.shape[0], tokens.device)
            return args, {**keywords, "lengths": lengths}

        inner = getattr(model, "transformer", model)
        inner.register_forward_pre_hook(add_lengths, with_kwargs=True)
        return model


register_rows(
    XLMOnnxConfig,
    Row("flaubert", "Flaubert", ENCODER_TASKS, "eager refuses `pre_norm`, which finds no cache"),
)
