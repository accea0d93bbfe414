"""Change a tiny configuration after an error of its model: patterns of messages, and what to do."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.errors import one_line
from harness.inference.configuration.drafts import Repair
from harness.inference.configuration.settings import is_size, own_settings, read
from harness.inference.configuration.tiny_scans import scaled

Settings = dict[str, Any]
Change = Callable[[Any, Settings, "re.Match[str]"], str | None]
"""Changes settings in place; returns what was done, None if there is nothing to do."""

_ATTENTION = re.compile(r"att(entio)?n.*(ind(ex|ic)es|idxs?)")
_VALUE = 4
_WINDOW = 4


def repaired(default: Any, settings: Mapping[str, Any], error: BaseException) -> Repair | None:
    """Return other settings and what was changed; None if no rule knows the error."""
    text = one_line(error)
    for pattern, change in _RULES:
        match = re.search(pattern, text)
        if match:
            other = copy.deepcopy(dict(settings))
            note = change(default, other, match)
            if note is not None and other != settings:
                return Repair(other, note)
    return None


def _specify(default: Any, settings: Settings, match: re.Match[str]) -> str | None:
    settings[match[1]] = _VALUE
    return f"{match[1]} is {_VALUE}"


def _pad(default: Any, settings: Settings, match: re.Match[str]) -> str | None:
    for holder in _holders(settings, "vocab_size"):
        holder["pad_token_id"] = 0
    return "pad_token_id is 0"


def _vocabulary(default: Any, settings: Settings, match: re.Match[str]) -> str | None:
    if settings.get("vocab_size"):
        return None
    settings["vocab_size"] = 64
    return "vocab_size is 64"


def _window(default: Any, settings: Settings, match: re.Match[str]) -> str | None:
    for holder in _holders(settings, "layer_types"):
        holder["sliding_window"] = _WINDOW
    return f"sliding_window is {_WINDOW}"


def _indices(default: Any, settings: Settings, match: re.Match[str]) -> str | None:
    if "num_hidden_layers" not in settings or settings.get("out_indices"):
        return None
    count = int(match[1])
    settings["num_hidden_layers"] = count
    settings["out_indices"] = list(range(1, count + 1))
    return f"{count} layers, each with an output"


def _pattern(default: Any, settings: Settings, match: re.Match[str]) -> str | None:
    """Make the heads divide the width."""
    for holder in _holders(settings, "num_key_value_heads"):
        holder["num_key_value_heads"] = holder.get("num_attention_heads", 1)
    return "as many key-value heads as heads"


def _positions(default: Any, settings: Settings, match: re.Match[str]) -> str | None:
    names = [n for n in settings if "position" in n and is_size(settings[n])]
    for name in names:
        settings[name] = read(default, name)
    return f"{', '.join(names)} as in the default configuration" if names else None


def _sections(default: Any, settings: Settings, match: re.Match[str]) -> str | None:
    """Scale the sections of rotary positions that the source of the model has by default."""
    parts = scaled([int(part) for part in match[2].split(",")], int(match[1]))
    for holder in _holders(settings, "hidden_size"):
        if "hidden_size" in holder:
            rotary = holder.get("rope_parameters") or {"rope_type": "default", "rope_theta": 1e4}
            holder["rope_parameters"] = {**rotary, "mrope_section": parts}
    return f"mrope_section is {parts}"


def _attention(default: Any, settings: Settings, match: re.Match[str]) -> str | None:
    """Make the last layer one with attention, in settings that list such layers."""
    names = [n for n, v in own_settings(default).items() if v is None and _ATTENTION.search(n)]
    for name in names:
        settings[name] = [settings.get("num_hidden_layers", 2) - 1]
    return f"{', '.join(names)} is the last layer" if names else None


def _holders(settings: Settings, name: str) -> Iterator[Settings]:
    """Yield the settings themselves, and the nested ones that have a setting `name`."""
    yield settings
    for value in settings.values():
        if isinstance(value, dict) and name in value:
            yield from _holders(value, name)


_RULES: tuple[tuple[str, Change], ...] = (
    (r"sum exactly to (\d+) .*split_sizes=\[(\d+, \d+, \d+)\]", _sections),
    (r"`?(\w+)`? config needs to be specified", _specify),
    (r"no padding token|pad_token_id", _pad),
    (r"only be called on Attention layers", _attention),
    (r"does not define the vocabulary size", _vocabulary),
    (r"out_indices to be a list of (\d) integers", _indices),
    (r"`sliding_window` argument", _window),
    (r"num_key_value_heads|key_value_heads", _pattern),
    (r"max_position_embeddings|original_max_position", _positions),
)
