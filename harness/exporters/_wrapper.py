"""The flat-signature module that tracing exporters see: tensors in, tensors out.

The reference of a verdict never goes through here (see `harness.evidence.reference`).
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from harness.configs.base import ConfigBehavior

if TYPE_CHECKING:
    from harness.configs.base import OnnxConfig


class FlatModel(nn.Module):
    """Binds positional tensors to the declared names, rebuilds caches, returns a flat tuple."""

    def __init__(self, model: nn.Module, config: OnnxConfig) -> None:
        super().__init__()
        self.model = side_of(model, config)
        self.encoder_output = encoder_output(config)
        self.input_names = list(config.inputs)
        self.output_names = list(config.outputs)
        self.constants = dict(config.model_kwargs)
        self.eval()

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        named = dict(zip(self.input_names, tensors, strict=True))
        keywords = as_keywords(named, self.encoder_output)
        outputs = self.model(**keywords, **self.constants, return_dict=True)
        return tuple(_select(outputs, name) for name in self.output_names)


def side_of(model: nn.Module, config: OnnxConfig) -> nn.Module:
    """The module of a model that a description stands for."""
    encoder: nn.Module = model.get_encoder() if config.behavior is ConfigBehavior.ENCODER else model
    return encoder


class EncoderOutput(NamedTuple):
    """What a decoder attends to: the class in which its encoder returns it, and its width."""

    kind: str
    width: int


def encoder_output(config: OnnxConfig) -> EncoderOutput | None:
    """What the decoder of a description attends to; None where it is no decoder's."""
    if config.behavior is not ConfigBehavior.DECODER:
        return None
    return EncoderOutput(config.ENCODER_OUTPUT, int(config.normalized_config.encoder_hidden_size))


def as_keywords(
    named: Mapping[str, torch.Tensor], attended: EncoderOutput | None
) -> dict[str, Any]:
    """The call that takes these inputs of a description, with the caches that they make."""
    keywords: dict[str, Any] = dict(named)
    past = _pop_cache(keywords)
    if past is not None:
        keywords["past_key_values"] = past
    return keywords if attended is None else _as_decoder_keywords(keywords, attended)


def _as_decoder_keywords(named: dict[str, Any], attended: EncoderOutput) -> dict[str, Any]:
    """The call of a full model that has its encoder's output; what continues from a cache has the
    keys and values of that, and no more than its shape is looked at."""
    from transformers import modeling_outputs

    hidden = named.get("encoder_hidden_states")
    if hidden is None:
        key = named["past_key_values"].cross_attention_cache.layers[0].keys
        hidden = key.new_zeros(key.shape[0], key.shape[2], attended.width)
    keywords = {
        "decoder_input_ids": named["input_ids"],
        "encoder_outputs": getattr(modeling_outputs, attended.kind)(last_hidden_state=hidden),
    }
    if "encoder_attention_mask" in named:
        keywords["attention_mask"] = named["encoder_attention_mask"]
    if "past_key_values" in named:
        keywords["past_key_values"] = named["past_key_values"]
    return keywords


def export_copy(model: nn.Module) -> nn.Module:
    """A structural copy in eval mode that shares the model's storage and records no gradients.

    Exporters get this, so that nothing they do to modules, modes or flags reaches the model.
    """
    shared: dict[int, Any] = {
        id(p): nn.Parameter(p.detach(), requires_grad=False) for p in model.parameters()
    }
    shared.update({id(buffer): buffer for buffer in model.buffers()})
    return copy.deepcopy(model, shared).eval()


def _pop_cache(keywords: dict[str, Any]) -> Any:
    """The cache that the past among the inputs makes, one of two sides where it names them."""
    own, cross = (list(_pop_layers(keywords, side)) for side in ("", ".encoder"))
    own += _pop_layers(keywords, ".decoder")
    if not own:
        return None
    from transformers import DynamicCache, EncoderDecoderCache

    if cross:
        return EncoderDecoderCache(DynamicCache(own), DynamicCache(cross))
    return DynamicCache(own)


def _pop_layers(keywords: dict[str, Any], side: str) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for layer in itertools.count():
        prefix = f"past_key_values.{layer}{side}"
        if f"{prefix}.key" not in keywords:
            return
        yield keywords.pop(f"{prefix}.key"), keywords.pop(f"{prefix}.value")


def _select(outputs: Any, name: str) -> torch.Tensor:
    kind, _, rest = name.partition(".")
    if kind != "present":
        value: torch.Tensor = outputs[name]
        return value
    layer, *side, key_or_value = rest.split(".")
    cache = outputs.past_key_values
    if side:
        cache = cache.cross_attention_cache if side == ["encoder"] else cache.self_attention_cache
    entry = cache.layers[int(layer)]
    tensor: torch.Tensor = entry.keys if key_or_value == "key" else entry.values
    return tensor
