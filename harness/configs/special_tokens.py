"""The ids of tokens with a meaning of their own, by the names of settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_TOKEN = re.compile(r"(_token_id|_token_index|_token$|^bo\w_|^eo\w_)")
_DEEPEST = 4
_TEXTS = ("pad", "bos", "eos", "cls", "sep", "mask", "unk", "decoder_start")


def special_ids(config: Any) -> frozenset[int]:
    """Return the ids that settings of a configuration, and of nested ones, name."""
    return frozenset(_ids(config, depth=0))


def special_ids_of_texts(config: Any) -> frozenset[int]:
    """Return the ids that texts of one language model have: padding, ends, masked tokens."""
    ids = (getattr(config, f"{name}_token_id", None) for name in _TEXTS)
    return frozenset(i for i in ids if isinstance(i, int) and i >= 0)


def _ids(config: Any, *, depth: int) -> Iterator[int]:
    for name, value in vars(config).items():
        if hasattr(value, "model_type") and depth <= _DEEPEST and not name.startswith("_"):
            yield from _ids(value, depth=depth + 1)
        elif _TOKEN.search(name):
            values = value if isinstance(value, list | tuple) else [value]
            yield from (v for v in values if type(v) is int and v >= 0)
