"""RoCBert."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.configs.architectures.bert import BertOnnxConfig
from harness.configs.feed_generators import Dims
from harness.configs.task_table import ENCODER_TASKS
from harness.configs.tasks import register
from harness.configs.text_inputs import DummyTextInputGenerator

if TYPE_CHECKING:
    import torch


class DummyGlyphInputGenerator(DummyTextInputGenerator):
    """The shape and the sound of each character: int64 [batch, ..., length], as ids of their own.
    They are drawn anew wherever they are hidden, since none has a meaning to the model."""

    SUPPORTED_INPUT_NAMES = ("input_shape_ids", "input_pronunciation_ids")

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        config = self.normalized_config
        kinds = {
            "input_shape_ids": config.shape_vocab_size,
            "input_pronunciation_ids": config.pronunciation_vocab_size,
        }
        return self._integers(0, kinds[name], tuple(dims[axis] for axis in sorted(dims)))


@register("roc_bert", tasks=ENCODER_TASKS)
class RoCBertOnnxConfig(BertOnnxConfig):
    """RoCBert: BERT over Chinese that knows what a character looks and sounds like."""

    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator, DummyGlyphInputGenerator)
    INPUT_NAMES = (*BertOnnxConfig.INPUT_NAMES, "input_shape_ids", "input_pronunciation_ids")
