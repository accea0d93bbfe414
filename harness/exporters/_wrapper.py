"""The flat-signature module that tracing exporters see: tensors in, tensors out.

The reference of a verdict never goes through here (see `harness.evidence.reference`).
"""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from harness.configs.base import OnnxConfig


class FlatModel(nn.Module):
    """Binds positional tensors to the declared names, rebuilds the cache, returns a flat tuple."""

    def __init__(self, model: nn.Module, config: OnnxConfig) -> None:
        super().__init__()
        self.model = model
        self.input_names = list(config.inputs)
        self.output_names = list(config.outputs)
        self.constants = dict(config.model_kwargs)
        self.eval()

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        keywords: dict[str, Any] = dict(zip(self.input_names, tensors, strict=True))
        past = list(_pop_layers(keywords))
        if past:
            from transformers import DynamicCache

            keywords["past_key_values"] = DynamicCache(past)
        outputs = self.model(**keywords, **self.constants, return_dict=True)
        return tuple(_select(outputs, name) for name in self.output_names)


def export_copy(model: nn.Module) -> nn.Module:
    """A structural copy in eval mode that shares the model's storage and records no gradients.

    Exporters get this, so that nothing they do to modules, modes or flags reaches the model.
    """
    shared: dict[int, Any] = {
        id(p): nn.Parameter(p.detach(), requires_grad=False) for p in model.parameters()
    }
    shared.update({id(buffer): buffer for buffer in model.buffers()})
    return copy.deepcopy(model, shared).eval()


def _pop_layers(keywords: dict[str, Any]) -> Any:
    for layer in itertools.count():
        prefix = f"past_key_values.{layer}"
        if f"{prefix}.key" not in keywords:
            return
        yield keywords.pop(f"{prefix}.key"), keywords.pop(f"{prefix}.value")


def _select(outputs: Any, name: str) -> torch.Tensor:
    kind, _, rest = name.partition(".")
    if kind != "present":
        value: torch.Tensor = outputs[name]
        return value
    layer, key_or_value = rest.split(".")
    entry = outputs.past_key_values.layers[int(layer)]
    tensor: torch.Tensor = entry.keys if key_or_value == "key" else entry.values
    return tensor
