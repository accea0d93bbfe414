"""Settings that tie widths: heads of recurrences, and the parts of rotary positions."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from harness.inference.configuration.plans import Plan
from harness.inference.configuration.settings import is_size, read

_INNER_HEADS = (
    ("mamba_n_heads", "mamba_d_head", "mamba_expand"),
    ("num_heads", "head_dim", "expand"),
    ("mamba_num_heads", "mamba_head_dim", "expand"),
    ("mamba_num_heads", "mamba_head_dim", "mamba_expand"),
)
"""Heads, head size and expansion of a recurrence: heads * head size = expansion * hidden size."""
_INNER_WIDTH = "mamba_d_ssm"
_ROTARY = ("rope_parameters", "rope_scaling")
_SECTIONS = "mrope_section"
_ORIGINAL_POSITIONS = "original_max_position_embeddings"
_ORIGINAL_LARGEST = 60
_PARTIAL = "partial_rotary_factor"


def tiny_scans(
    config: Any, values: Mapping[str, Any], tiny_hidden: int | None, plan: Plan
) -> dict[str, Any]:
    """Return the heads of a recurrence, whose width follows from the tiny hidden size."""
    found: dict[str, Any] = {}
    for heads, size, expansion in _INNER_HEADS:
        has_size = size in values or is_size(read(config, size))
        if tiny_hidden and is_size(values.get(heads)) and expansion in values and has_size:
            inner = int(values[expansion] * tiny_hidden)
            found[heads] = min(values[heads], plan.heads)
            found[size] = inner // found[heads]
            if _INNER_WIDTH in values:
                found[_INNER_WIDTH] = inner
    return found


def tiny_rotary(
    name: str, value: Mapping[str, Any], values: Mapping[str, Any], head_size: int
) -> dict[str, Any] | None:
    """Return the parameters of rotary positions for heads of another size."""
    if name not in _ROTARY:
        return None
    tiny = copy.deepcopy(dict(value))
    width = values.get("head_dim")
    size = min(width, 16) if is_size(width) and width > head_size else head_size
    for part in (tiny, *(v for v in tiny.values() if isinstance(v, dict))):
        share = part.get(_PARTIAL) or tiny.get(_PARTIAL) or values.get(_PARTIAL) or 1
        if part.get(_SECTIONS):
            part[_SECTIONS] = scaled(part[_SECTIONS], int(size * share) // 2)
        if is_size(part.get(_ORIGINAL_POSITIONS)):
            part[_ORIGINAL_POSITIONS] = min(part[_ORIGINAL_POSITIONS], _ORIGINAL_LARGEST)
    return tiny


def scaled(parts: list[int], total: int) -> list[int]:
    """Return parts with the same shares of another total, each at least 1."""
    small = [max(1, total * part // sum(parts)) for part in parts]
    while sum(small) < total:
        small[small.index(min(small))] += 1
    while sum(small) > total and max(small) > 1:
        small[small.index(max(small))] -= 1
    return small
