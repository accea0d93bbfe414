"""Doge."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from harness.configs.architectures.llama import DECODER_TASKS, LlamaOnnxConfig
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn


@register("doge", tasks=DECODER_TASKS)
class DogeOnnxConfig(LlamaOnnxConfig):
    """Doge: of the keys that it sees, a query attends to those which score highest by value.

    The tiny model keeps as many as its window holds: equal tokens have equal scores, and which of
    them is chosen is not defined.
    """

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Choose keys by one computation for all lengths. Transformers branches on whether there
        are more of them than it keeps, and a tracer sees one branch alone.
        """
        for module in model.modules():
            if hasattr(module, "prepare_dynamic_mask"):
                choose = functools.partial(_choose_keys, module.prepare_dynamic_mask)
                vars(module)["prepare_dynamic_mask"] = choose
        return model


def _choose_keys(
    score: Any, *, dt_states: torch.Tensor, keep_window_size: int, **keywords: Any
) -> torch.Tensor:
    """Scores of keys, the lowest number there is where a key is not among the highest.

    As many places as are kept are added with this number, so that there are always enough.
    """
    from torch import finfo, zeros_like
    from torch.nn.functional import pad

    length = dt_states.shape[-1]
    scores: torch.Tensor = score(dt_states=dt_states, keep_window_size=length, **keywords)
    lowest = finfo(scores.dtype).min
    enough = pad(scores, (0, keep_window_size), value=lowest)
    highest = enough.topk(keep_window_size, dim=-1).indices
    is_kept = zeros_like(enough).scatter(-1, highest, 1.0)[..., :length]
    return scores.masked_fill(is_kept == 0, lowest)
