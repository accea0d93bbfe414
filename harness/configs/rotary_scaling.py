"""How the scaling of rotary positions depends on the position and on the length of a call.

Scalings and their parameters have the names that transformers gives them
(`transformers/modeling_rope_utils.py`). A scaling that treats all positions alike, such as
`linear`, `yarn` or `llama3`, has no switch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_SWITCHES = frozenset({"longrope", "su"})
"""From its original length on, a model has other frequencies; `su` is an old name of longrope."""

_GROWS = frozenset({"dynamic"})
"""Frequencies are stretched to calls that are longer than the table of positions."""

_STEPS = "llama_4_scaling_beta"
"""The parameter of a scaling of queries that changes at each multiple of the original length."""

_ORIGINAL = "original_max_position_embeddings"


def rope_scalings(config: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the parameters of the rotary scalings of a configuration, one for each kind of layer.

    They are in `rope_parameters`, or in `rope_scaling` of configurations that predate it.
    """
    given = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None)
    if not isinstance(given, Mapping):
        return
    nested = [own for own in given.values() if isinstance(own, Mapping)]
    for scaling in nested or [given]:
        yield {_ORIGINAL: getattr(config, _ORIGINAL, None), **scaling}


def switch_of(scaling: Mapping[str, Any], table: int | None) -> int | None:
    """Return the first position that a scaling treats in another way than those before it.

    `table` is the number of positions that the model states. None if all positions are alike.
    """
    if grows(scaling):
        return table
    if _type_of(scaling) in _SWITCHES or scaling.get(_STEPS):
        return scaling.get(_ORIGINAL) or table
    return None


def grows(scaling: Mapping[str, Any]) -> bool:
    """Whether a scaling stretches the frequencies to calls that are longer than the table."""
    return _type_of(scaling) in _GROWS


def follows_length(scaling: Mapping[str, Any]) -> bool:
    """Whether the frequencies depend on the largest position of a call, not on each position."""
    return _type_of(scaling) in _SWITCHES | _GROWS


def _type_of(scaling: Mapping[str, Any]) -> str:
    return str(scaling.get("rope_type", scaling.get("type", "default")))
