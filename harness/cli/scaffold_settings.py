"""The settings that a description reads, so that the file of a tiny model states all of them.

Descriptions are also made from such a file alone, without transformers and its defaults.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from harness.configs.base import OnnxConfig
from harness.inference.configuration.settings import nodes

Path = tuple[str, ...]


class _Recorder:
    """Stands for a configuration, and records the paths of the settings that are read."""

    def __init__(self, config: Any, read: set[Path], path: Path = ()) -> None:
        self._config, self._read, self._path = config, read, path

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._config, name)
        path = (*self._path, name)
        if hasattr(value, "model_type"):
            return _Recorder(value, self._read, path)
        self._read.add(path)
        return value


def with_read_settings(
    settings: Mapping[str, Any], described: type[OnnxConfig], task: str, *, of: type
) -> dict[str, Any]:
    """Return settings with the defaults that the description reads for a task.

    `of` is the class of the model's configuration, which may be a nested one: of the text alone.
    """
    from transformers import AutoConfig

    config = AutoConfig.for_model(**settings)
    path, own = next((found for found in nodes(config) if type(found[1]) is of), ((), config))
    read: set[Path] = set()
    description = described(_Recorder(own, read, tuple(path)), task)
    for part in description.parts.values():
        part.generate_dummy_inputs()
        dict(part.outputs)
    found = copy.deepcopy(dict(settings))
    stated = config.to_dict()
    for path in sorted(read):
        _add(found, stated, path)
    return found


def _add(found: dict[str, Any], stated: Mapping[str, Any], path: Path) -> None:
    """Add the setting at a path, if the configuration states it under this name."""
    *outer, name = path
    for part in outer:
        if not isinstance(stated.get(part), Mapping):
            return
        found, stated = found.setdefault(part, {}), stated[part]
    if name in stated:
        found.setdefault(name, stated[name])
