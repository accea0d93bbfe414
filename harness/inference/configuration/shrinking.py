"""Shrink a configuration by rules on the names of its settings and on how their values relate."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.inference.configuration.layer_kinds import LAYER_KINDS
from harness.inference.configuration.plans import Plan
from harness.inference.configuration.setting_kinds import (
    DROPOUT,
    HEADS_NAMES,
    HIDDEN_NAMES,
    KEY_VALUE_HEADS,
    LARGEST,
    LARGEST_OF_NAME,
    NOT_DROPOUT,
    PLACEHOLDER_TOKENS,
    SHARES_OF_NAME,
    STAGE_DEPTHS,
    STAGE_WIDTHS,
    Kind,
    kind_of,
)
from harness.inference.configuration.settings import (
    are_sizes,
    is_configuration,
    is_size,
    own_settings,
    read,
)
from harness.inference.configuration.tiny_images import tiny_images, tiny_pinpoints
from harness.inference.configuration.tiny_layers import tiny_feature_layers, tiny_layers
from harness.inference.configuration.tiny_scans import scaled, tiny_rotary, tiny_scans
from harness.inference.configuration.tiny_widths import TinyWidths, tiny_tokens

MODEL_TYPE = "model_type"
_DROPOUT = 0.1
_HEAD_SIZE = 16
_FIRST_STAGE, _HEAD_OF_STAGE = "embed_dim", 8
_DERIVED = frozenset({"stage_names", "out_indices", "_out_indices", *LAYER_KINDS})
"""Settings that a nested configuration derives again from the smaller ones."""
_HEADS_PER_STAGE = ("num_attention_heads", "num_heads", "num_attention_heads_per_stage")


def shrink(config: Any, plan: Plan) -> dict[str, Any]:
    """Return the settings that differ in a tiny configuration, nested configurations included."""
    vocabulary, tokens = tiny_tokens(config, plan)
    shrinking = _Shrinking(plan, TinyWidths.of(config, plan), vocabulary, tokens)
    return shrinking.node(config, is_nested=False)


@dataclass(frozen=True, slots=True)
class _Heads:
    """The hidden size and the number of heads of one configuration, before and after."""

    hidden: int | None
    heads: int | None
    tiny_hidden: int | None
    tiny_heads: int | None

    @property
    def tiny_size(self) -> int:
        if self.tiny_hidden and self.tiny_heads:
            return self.tiny_hidden // self.tiny_heads
        return _HEAD_SIZE


@dataclass(frozen=True, slots=True)
class _Shrinking:
    plan: Plan
    widths: TinyWidths
    vocabulary: int
    tokens: Mapping[int, int]

    def node(self, config: Any, *, is_nested: bool) -> dict[str, Any]:
        values = own_settings(config)
        heads = self.heads(values)
        tiny = _given(config) if is_nested else {}
        tiny |= self.changed(values, heads)
        tiny |= self.first_stage(values)
        tiny |= self.absent_tokens(values)
        tiny |= tiny_feature_layers(values)
        tiny |= tiny_layers(config, self.plan).settings
        tiny |= tiny_scans(config, values, heads.tiny_hidden, self.plan)
        tiny |= tiny_images(config, values, self.plan)
        for name, value in values.items():
            nested = value if is_configuration(value) else _absent_nested(config, name, value)
            if nested is not None:
                tiny[name] = self.node(nested, is_nested=True)
        if values.get("image_grid_pinpoints"):
            tiny["image_grid_pinpoints"] = []
            tiny_pinpoints(tiny)
        return tiny

    def first_stage(self, values: Mapping[str, Any]) -> dict[str, int]:
        """Return the width of the first stage, if its heads stand in a list and it does not."""
        heads = next((n for name in _HEADS_PER_STAGE if are_sizes(n := values.get(name))), None)
        has_stages = any(STAGE_DEPTHS.search(n) and are_sizes(v) for n, v in values.items())
        width = values.get(_FIRST_STAGE)
        if not is_size(width) or self.plan.keeps_stages or not (heads or has_stages):
            return {}
        if heads and width % heads[0]:
            return {}
        return {_FIRST_STAGE: (heads[0] if heads else 2) * _HEAD_OF_STAGE}

    def absent_tokens(self, values: Mapping[str, Any]) -> dict[str, int]:
        """Return ids of placeholder tokens that the default leaves open, after all others."""
        names = [name for settings in PLACEHOLDER_TOKENS.values() for name in settings]
        open_ones = [name for name in names if name in values and values[name] is None]
        last = self.vocabulary - 1 - len(self.tokens)
        return {name: last - place for place, name in enumerate(open_ones)}

    def heads(self, values: Mapping[str, Any]) -> _Heads:
        hidden = next((v for name in HIDDEN_NAMES if is_size(v := values.get(name))), None)
        heads = next((v for name in HEADS_NAMES if is_size(v := values.get(name))), None)
        tiny_hidden = self.widths.width("hidden_size", hidden) if hidden else None
        tiny = min(heads, self.plan.heads) if heads else None
        if tiny and tiny_hidden and tiny_hidden % tiny:
            tiny = next(n for n in (4, 2, 1) if tiny_hidden % n == 0)
        return _Heads(hidden, heads, tiny_hidden, tiny)

    def changed(self, values: Mapping[str, Any], heads: _Heads) -> dict[str, Any]:
        found = {}
        for name, value in values.items():
            new = self.value(name, value, values, heads)
            if new is not None and new != value:
                found[name] = new
        return found

    def value(self, name: str, value: Any, values: Mapping[str, Any], heads: _Heads) -> Any:
        if is_size(value):
            return self.size(name, value, heads)
        if are_sizes(value):
            return self.sizes(name, list(value), values, heads)
        if isinstance(value, dict):
            return tiny_rotary(name, value, values, heads.tiny_size)
        if isinstance(value, float):
            return _share(name, value)
        return None

    def size(self, name: str, value: int, heads: _Heads) -> int:
        if name in LARGEST_OF_NAME:
            return min(value, LARGEST_OF_NAME[name])
        kind = kind_of(name)
        match kind:
            case Kind.VOCABULARY:
                return min(value, self.vocabulary) if value < 400 else self.vocabulary
            case Kind.TOKEN:
                return self.tokens.get(value, value)
            case Kind.HEAD_SIZE:
                return self.head_size(value, heads)
            case Kind.HEADS:
                return self.head_count(name, value, heads)
            case Kind.WIDTH | Kind.FEED_FORWARD:
                return self.widths.width(name, value)
            case Kind.WINDOW if not self.plan.is_windowed:
                return min(value, 16)
            case None:
                return value
            case _:
                return min(value, LARGEST.get(kind, value))

    def head_size(self, value: int, heads: _Heads) -> int:
        if heads.heads and value * heads.heads == heads.hidden and heads.tiny_heads:
            return heads.tiny_size
        return min(value, _HEAD_SIZE)

    def head_count(self, name: str, value: int, heads: _Heads) -> int:
        if heads.heads is None or heads.tiny_heads is None:
            return min(value, self.plan.heads)
        groups = max(1, heads.tiny_heads // 2)
        if value == heads.heads:
            is_halved = self.plan.is_grouped and name in KEY_VALUE_HEADS
            return groups if is_halved else heads.tiny_heads
        if value < heads.heads:
            return min(value, groups)
        return min(value, max(self.plan.heads, heads.tiny_heads))

    def sizes(
        self, name: str, value: list[int], values: Mapping[str, Any], heads: _Heads
    ) -> list[int] | None:
        if len(value) > 1 and sum(value) == heads.hidden and heads.tiny_hidden:
            return scaled(value, heads.tiny_hidden)
        if kind_of(name) is Kind.TOKEN:
            return [self.tokens.get(v, v) for v in value]
        if STAGE_DEPTHS.search(name):
            early = (len(value) + 1) // 2
            return [min(v, 2 if place < early else 1) for place, v in enumerate(value)]
        is_wide = STAGE_WIDTHS.search(name) and max(value) >= 32
        if not is_wide or self.plan.keeps_stages:
            return None
        counts = (values.get(other) for other in _HEADS_PER_STAGE)
        of_stages = next((list(n) for n in counts if are_sizes(n) and len(n) == len(value)), None)
        return self.widths.stages(value, of_stages)


def _share(name: str, value: float) -> float | None:
    """Return a dropout above 0, or a smaller factor of depths and widths; None if it stays."""
    if name in SHARES_OF_NAME:
        return min(value, SHARES_OF_NAME[name])
    is_dropout = DROPOUT.search(name) and not NOT_DROPOUT.search(name)
    return _DROPOUT if is_dropout and value == 0 else None


def _given(config: Any) -> dict[str, Any]:
    """Return what a configuration says of a nested one, which has other defaults alone."""
    names = own_settings(config)
    given = {
        name: copy.deepcopy(names[name])
        for name in config.to_diff_dict()
        if name in names and name not in _DERIVED and not is_configuration(names[name])
    }
    given = {n: list(v) if isinstance(v, tuple) else v for n, v in given.items()}
    outputs, stages = read(config, "out_features"), read(config, "stage_names")
    if outputs and stages and list(outputs) != [stages[-1]]:
        given["out_features"] = list(outputs)
    return {**given, MODEL_TYPE: config.model_type} if config.model_type else given


def _absent_nested(config: Any, name: str, value: Any) -> Any:
    """Return the default of a nested configuration that is None; None if its class is open."""
    nested = (getattr(type(config), "sub_configs", None) or {}).get(name)
    if value is not None or nested is None or nested.__name__ == "AutoConfig":
        return None
    try:
        return nested()
    except Exception:  # a class that needs settings
        return None
