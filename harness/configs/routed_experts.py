"""A capability of descriptions: the model routes each token to a few of its experts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.configs.base import OnnxConfig

if TYPE_CHECKING:
    from torch import nn


class RoutesExperts(OnnxConfig):
    """A capability: transformers has other ways to run the experts of the model."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Multiply each token by the gathered weights of its experts. Otherwise tokens are grouped
        by their expert: neither exporter converts the grouped product, and a loop over the experts
        that were met keeps the experts of the example."""
        routed: Any = super().patch_model_for_export(model)
        routed.set_experts_implementation("batched_mm")
        patched: nn.Module = routed
        return patched


def routes_experts(model: nn.Module) -> bool:
    """Whether transformers has other ways to run experts of the model or of a model in it."""
    from transformers import PreTrainedModel

    inner = (one for one in model.modules() if isinstance(one, PreTrainedModel))
    return any(type(one)._can_set_experts_implementation() for one in inner)
