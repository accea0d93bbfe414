"""EoMT: a ViT whose last layers read queries beside patches; each query has a class and a mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.configs.base import NamedAxes
from harness.configs.middle_end import VisionOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.tasks import register

if TYPE_CHECKING:
    from torch import nn

_TASKS = ("image-segmentation",)


@register("eomt", tasks=_TASKS)
class EomtOnnxConfig(VisionOnnxConfig):
    """EoMT. Its images have one size, `image_size` squared.

    In the last layers, a query sees only the patches of its mask.
    """

    @property
    def outputs(self) -> NamedAxes:
        names = ("class_queries_logits", "masks_queries_logits", "last_hidden_state")
        return NamedAxes((name, {0: "batch_size"}) for name in names)

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Keep how often masks are used as numbers: torch.export refuses branches on tensors."""
        probabilities = model._buffers.pop("attn_mask_probs")
        vars(model)["attn_mask_probs"] = None if probabilities is None else probabilities.tolist()
        return model


register_rows(
    EomtOnnxConfig,
    Row("eomt_dinov3", "EomtDinov3", _TASKS, "positions are rotary, as in DINOv3"),
)
