"""CLIP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.configs.dummy_inputs import DummyVisionInputGenerator
from harness.configs.feed_generators import Dims
from harness.configs.middle_end import TextAndVisionOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.tasks import register
from harness.configs.text_inputs import DummyTextInputGenerator

if TYPE_CHECKING:
    import torch


class DummyCLIPTextInputGenerator(DummyTextInputGenerator):
    """A text without an end token is pooled at its first one, which sees nothing of the rest. Drawn
    at random most would be, so every second row gets an end token, somewhere."""

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        import torch

        tensor = super().generate(name, dims)
        end = self.normalized_config.eos_token_id
        if name != "input_ids" or end not in self._special_ids(self.normalized_config.vocab_size):
            return tensor
        rows = (*tensor.shape[:-1], 1)
        place = self._integers(0, tensor.shape[-1], rows)
        ended = tensor.scatter(-1, place, end)
        return torch.where(self._integers(0, 2, rows) > 0, ended, tensor)

    def ordinary(self, name: str, dims: Dims, *, past: int) -> torch.Tensor:
        """Return texts that end with the end token, if the vocabulary has one."""
        tensor = super().ordinary(name, dims, past=past)
        end = self.normalized_config.eos_token_id
        if name == "input_ids" and end in self._special_ids(self.normalized_config.vocab_size):
            tensor[..., -1] = end
        return tensor


TASKS = ("feature-extraction", "image-classification", "zero-shot-image-classification")


@register("clip", tasks=TASKS)
class CLIPOnnxConfig(TextAndVisionOnnxConfig):
    """CLIP. Eager refuses any image that is not `image_size` squared, so of the axes of
    `pixel_values` only the batch is dynamic.

    A text is pooled at its first end token or, where a configuration has the end token 2 as the
    published ones do, at its largest id: the tiny model of `feature-extraction` does the one, that
    of `zero-shot-image-classification` the other.
    """

    DUMMY_INPUT_GENERATOR_CLASSES = (DummyCLIPTextInputGenerator, DummyVisionInputGenerator)


register_rows(
    CLIPOnnxConfig,
    Row("siglip", "Siglip", TASKS, "pools a text at its last token, an image by attention"),
)
