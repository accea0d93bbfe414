"""ESM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.configs.architectures.modernbert import TASKS
from harness.configs.architectures.roberta import RobertaOnnxConfig
from harness.configs.tasks import register
from harness.configs.text_inputs import DummyTextInputGenerator

if TYPE_CHECKING:
    import torch


class DummyEsmTextInputGenerator(DummyTextInputGenerator):
    """Tokens are scaled up by the share of mask tokens among those that are shown. Where all are,
    eager divides by zero: so a row has one at most, and two places at least are shown."""

    def _ids(self, shape: tuple[int, ...]) -> torch.Tensor:
        ids = super()._ids(shape)
        mask = self.normalized_config.mask_token_id
        ids = ids.masked_fill(ids == mask, mask - 1)
        rows = (*shape[:-1], 1)
        if shape[-1] == 1:
            return ids
        is_masked = self._integers(0, 2, rows) > 0
        return ids.scatter(-1, self._integers(0, shape[-1], rows), mask).where(is_masked, ids)

    def _mask(self, shape: tuple[int, ...]) -> torch.Tensor:
        mask = super()._mask(shape)
        mask[..., :2] = 1
        return mask


@register("esm", tasks=TASKS)
class EsmOnnxConfig(RobertaOnnxConfig):
    """ESM: reads proteins, and scales up the tokens beside those that are to be filled."""

    DUMMY_INPUT_GENERATOR_CLASSES = (DummyEsmTextInputGenerator,)
