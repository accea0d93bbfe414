"""Find the architectures that a changed module affects, by the classes of their descriptions."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.configs.base import OnnxConfig
from harness.configs.tasks import TasksManager
from harness.exporters import get_exporter
from harness.matrix.changed_files import ChangedFile, changed_definitions

Definition = tuple[str, str]
"""A module and the name of a class in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependents:
    """The classes of each architecture's description: architecture -> classes."""

    uses: Mapping[str, frozenset[Definition]]

    def of(self, file: ChangedFile) -> frozenset[str] | None:
        """Return the architectures that a changed file affects; None if all or none are affected.

        An architecture is affected if its description uses a class that changed, or a class that
        uses a changed name. If other statements of the file changed, all architectures that use any
        class of the file are affected.
        """
        module = module_at(file.location)
        users = self._users(module, None)
        if module is None or not users:
            return None
        found: set[str] = set()
        for name in changed_definitions(file):
            affected = self._users(module, name) or users
            if affected == set(self.uses):
                return None
            found |= affected
        return frozenset(found)

    def _users(self, module: str | None, name: str | None) -> set[str]:
        return {
            architecture
            for architecture, used in self.uses.items()
            if any(where == module and name in (None, what) for where, what in used)
        }


def read_dependents(architectures: Iterable[str]) -> Dependents:
    """Return the classes that the descriptions of registered architectures use."""
    uses = {}
    for architecture in architectures:
        constructors = TasksManager.get_supported_tasks_for_model_type(architecture).values()
        configs = [constructor.resolve() for constructor in constructors]
        uses[architecture] = frozenset(
            (base.__module__, base.__qualname__.partition(".")[0])
            for config in configs
            for base in description_classes(config)
        )
    return Dependents(uses=uses)


def description_classes(config: type[OnnxConfig]) -> Iterator[type[Any]]:
    """Yield the classes of a description: config, normalized config, generators, and all bases."""
    parts = (config, config.NORMALIZED_CONFIG_CLASS, *config.DUMMY_INPUT_GENERATOR_CLASSES)
    for part in parts:
        yield from part.__mro__


def exporter_at(location: Path, exporters: Iterable[str]) -> str | None:
    """Return the name of the exporter that is defined in a file, or None."""
    module = module_at(location)
    names = (name for name in exporters if type(get_exporter(name)).__module__ == module)
    return next(names, None) if module else None


def module_at(location: Path) -> str | None:
    """Return the name of the imported module of a file; None if it is not imported."""
    wanted = location.resolve()
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if path and Path(path).name == wanted.name and Path(path).resolve() == wanted:
            return name
    return None
