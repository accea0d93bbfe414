"""Which architectures a changed module of descriptions concerns, by the classes that they use."""

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
    """Architecture -> the classes that it is described with."""

    uses: Mapping[str, frozenset[Definition]]

    def of(self, file: ChangedFile) -> frozenset[str] | None:
        """The architectures that a changed file concerns; None where that is everybody or nobody.

        Those that use a class of it which changed, or one that mentions what changed. Where
        something else than a class did, all that use any class of it.
        """
        module = module_at(file.location)
        users = self._users(module, None)
        if module is None or not users:
            return None
        found: set[str] = set()
        for name in changed_definitions(file):
            concerned = self._users(module, name) or users
            if concerned == set(self.uses):
                return None
            found |= concerned
        return frozenset(found)

    def _users(self, module: str | None, name: str | None) -> set[str]:
        return {
            architecture
            for architecture, used in self.uses.items()
            if any(where == module and name in (None, what) for where, what in used)
        }


def read_dependents(architectures: Iterable[str]) -> Dependents:
    """What the registered descriptions are made of: their bases, their normalized configuration
    and their dummy input generators, with the bases of those."""
    uses = {}
    for architecture in architectures:
        constructors = TasksManager.get_supported_tasks_for_model_type(architecture).values()
        configs = [constructor.resolve() for constructor in constructors]
        uses[architecture] = frozenset(
            (base.__module__, base.__qualname__.partition(".")[0])
            for config in configs
            for base in made_of(config)
        )
    return Dependents(uses=uses)


def made_of(config: type[OnnxConfig]) -> Iterator[type[Any]]:
    """The classes of a description: its bases, its normalized configuration, its dummy inputs."""
    parts = (config, config.NORMALIZED_CONFIG_CLASS, *config.DUMMY_INPUT_GENERATOR_CLASSES)
    for part in parts:
        yield from part.__mro__


def exporter_at(location: Path, exporters: Iterable[str]) -> str | None:
    """The exporter whose own module a file is."""
    module = module_at(location)
    names = (name for name in exporters if type(get_exporter(name)).__module__ == module)
    return next(names, None) if module else None


def module_at(location: Path) -> str | None:
    """The imported module that a file is."""
    wanted = location.resolve()
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if path and Path(path).name == wanted.name and Path(path).resolve() == wanted:
            return name
    return None
