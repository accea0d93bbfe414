"""Defects for wrong exporters: changes of inputs, of models and of export arguments."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import nn
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from tests.faults.library.exporter_kinds import Named

SWITCH = 16
"""Position from which on the tiny model of longrope has its long factors."""

TABLE = 32
"""Positions in the table of the tiny model of dynamic scaling."""


def ignores_mask(named: Named) -> Named:
    return named | {"attention_mask": torch.ones_like(named["attention_mask"])}


def takes_mask_for_prefix(named: Named) -> Named:
    mask = named["attention_mask"]
    places = torch.ones_like(mask).cumsum(dim=1) - 1
    return named | {"attention_mask": (places < mask.sum(dim=1, keepdim=True)).long()}


def inverts_mask(named: Named) -> Named:
    return named | {"attention_mask": 1 - named["attention_mask"]}


def ignores_token_types(named: Named) -> Named:
    return named | {"token_type_ids": torch.zeros_like(named["token_type_ids"])}


def ignores_positions(named: Named) -> Named:
    """Count positions as generation does for a batch without padding."""
    positions = torch.ones_like(named["position_ids"]).cumsum(dim=1) - 1
    return named | {"position_ids": positions + named["past_key_values.0.key"].shape[2]}


def shifts_positions(named: Named) -> Named:
    return named | {"position_ids": named["position_ids"] + 1}


def clamps_positions_at_the_switch(named: Named) -> Named:
    return named | {"position_ids": named["position_ids"].clamp(max=SWITCH - 1)}


def clamps_positions_at_the_table(named: Named) -> Named:
    return named | {"position_ids": named["position_ids"].clamp(max=TABLE - 1)}


def bakes_positions(named: Named) -> Named:
    length = int(named["position_ids"].shape[1])
    return named | {"position_ids": torch.arange(length).expand_as(named["position_ids"])}


def keeps_sixteen_tokens(named: Named) -> Named:
    return {name: tensor[:, :16] for name, tensor in named.items()}


def keeps_sixteen_times_the_traced_tokens(named: Named) -> Named:
    if "attention_mask" not in named:
        return named
    limit = 16 * int(named["attention_mask"].shape[1])
    return {name: tensor[:, :limit] for name, tensor in named.items()}


def keeps_sixteen_times_the_traced_images(named: Named) -> Named:
    limit = 16 * int(named["pixel_values"].shape[0])
    return {name: tensor[:limit] for name, tensor in named.items()}


def crosses_layers(named: Named) -> Named:
    other = {".0.": ".1.", ".1.": ".0."}
    return {
        name: next((named[name.replace(o, n)] for o, n in other.items() if o in name), tensor)
        for name, tensor in named.items()
    }


def swaps_key_and_value(named: Named) -> Named:
    return {name: named[other_kind(name)] for name in named}


def swaps_key_and_value_of_encoder(named: Named) -> Named:
    return {name: named[other_kind(name) if ".encoder." in name else name] for name in named}


def other_kind(name: str) -> str:
    if name.endswith(".key"):
        return name.replace(".key", ".value")
    return name.replace(".value", ".key")


def forgets_past(named: Named) -> Named:
    return {n: t * 0 if n.startswith("past") else t for n, t in named.items()}


def turns_images(named: Named) -> Named:
    pixels = named["pixel_values"]
    return {"pixel_values": pixels.transpose(2, 3).reshape(pixels.shape)}


def rounds_weights(model: Any) -> None:
    for parameter in model.parameters():
        parameter.data = parameter.data.half().float()


def drops_out(model: Any) -> None:
    """Add dropout that eval mode does not turn off."""

    def drop(module: nn.Module, args: object, output: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(output, 0.1, training=True)

    model.vit.embeddings.register_forward_hook(drop)


def scales_otherwise(model: Any) -> None:
    model.bert.encoder.layer[1].attention.self.scaling *= 1.01


def without_window(model: Any) -> None:
    model.config.sliding_window = None


def with_a_wider_window(model: Any) -> None:
    model.config.sliding_window += 1


def with_traced_experts(model: Any) -> None:
    model.set_experts_implementation("eager")


def change_a_weight(model: Any) -> None:
    with torch.no_grad():
        next(model.parameters())[7, 0] += 1


def keep_a_patch(model: Any) -> None:
    forward = model.forward
    model.forward = lambda *args, **keywords: forward(*args, **keywords)


def keep_a_hook(model: Any) -> None:
    model.register_forward_hook(lambda module, args, output: None)


def keep_a_setting(model: Any) -> None:
    model.config.return_dict = not model.config.return_dict


def static_batch(arguments: dict[str, Any]) -> None:
    for axes in arguments["dynamic_axes"].values():
        axes.pop(0)


def numbered_axes(arguments: dict[str, Any]) -> None:
    for name, axes in arguments["dynamic_axes"].items():
        arguments["dynamic_axes"][name] = {axis: f"{name}_{axis}" for axis in axes}


def older_opset(arguments: dict[str, Any]) -> None:
    arguments["opset_version"] -= 1


def with_long_factors(model: nn.Module) -> None:
    _fix_frequencies(model, length=SWITCH + 1)


def with_short_factors(model: nn.Module) -> None:
    _fix_frequencies(model, length=None)


def _fix_frequencies(model: nn.Module, *, length: int | None) -> None:
    """Give rotary modules the frequencies of one length; without a length, the original ones."""
    for module in model.modules():
        if hasattr(module, "original_inv_freq"):
            compute = ROPE_INIT_FUNCTIONS[module.rope_type]
            frequencies, _ = compute(module.config, seq_len=length)
            vars(module)["forward"] = functools.partial(_rotate, module, frequencies)


def _rotate(
    module: Any, frequencies: torch.Tensor, _: torch.Tensor, position_ids: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    angles = position_ids[..., None].float() * frequencies
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos() * module.attention_scaling, angles.sin() * module.attention_scaling
