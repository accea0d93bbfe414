"""Give settings a value that the default configuration leaves open and the model needs."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.inference.configuration.drafts import Repair
from harness.inference.configuration.layer_kinds import LAYER_KINDS, layer_kinds_of_source
from harness.inference.configuration.setting_kinds import (
    HEADS_NAMES,
    HIDDEN_NAMES,
    LARGEST,
    Kind,
    kind_of,
)
from harness.inference.configuration.settings import Path, changed, is_size, nodes, own_settings
from harness.inference.failures import Failure

_READ = re.compile(r"config(?:\.|, ?['\"])(\w+)")
_VALUES: Mapping[Kind, int] = {
    **LARGEST,
    Kind.GROUPS: 1,
    Kind.HEADS: 4,
    Kind.WIDTH: 48,
    Kind.FEED_FORWARD: 48,
}
_LAYERS_NAME = "num_hidden_layers"


def filled(config: Any, settings: Mapping[str, Any], failure: Failure) -> Repair | None:
    """Return settings with a value for each open one that the failing function reads.

    `config` is the tiny configuration. None if no table knows the kind of an open setting.
    """
    for frame in failure.frames if failure.is_about_none else ():
        names = set(_READ.findall(frame.source)) if frame.is_model else set()
        values = dict(_open(config, names))
        if values:
            return _with(settings, values)
    return None


def _with(settings: Mapping[str, Any], values: Mapping[Path, Any]) -> Repair:
    other = copy.deepcopy(dict(settings))
    for path, value in values.items():
        other = changed(other, path, value)
    notes = [f"{'.'.join(path)} is {value}" for path, value in values.items()]
    questions = tuple(
        f"{'.'.join(path)}: which value do checkpoints have? The default is None, here {value}"
        for path, value in values.items()
        if kind_of(path[-1]) is not Kind.HEAD_SIZE
    )
    return Repair(other, ", ".join(notes), questions)


def _open(config: Any, names: set[str]) -> Iterator[tuple[Path, Any]]:
    for path, node in nodes(config):
        values = own_settings(node)
        for name in sorted(names & values.keys()):
            value = _value(node, name, values) if values[name] is None else None
            if value is not None:
                yield (*path, name), value


def _value(node: Any, name: str, values: Mapping[str, Any]) -> Any:
    kind = kind_of(name)
    if name in LAYER_KINDS:
        return _kinds(node, name, values)
    if kind is Kind.HEAD_SIZE:
        hidden = next((v for n in HIDDEN_NAMES if is_size(v := values.get(n))), 0)
        heads = next((v for n in HEADS_NAMES if is_size(v := values.get(n))), 0)
        return hidden // heads if heads else None
    return None if kind is None else _VALUES.get(kind)


def _kinds(node: Any, name: str, values: Mapping[str, Any]) -> list[str] | None:
    """Return a kind for each layer, from all that the source names."""
    kinds, count = layer_kinds_of_source(node, name), values.get(_LAYERS_NAME)
    return [kinds[place % len(kinds)] for place in range(count)] if kinds and count else None
