"""Architectures that behave like another one: a row for each, from which its class is made."""

from __future__ import annotations

import sys
import types
from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass

from harness.configs.base import OnnxConfig
from harness.configs.tasks import register
from harness.errors import DescriptionError

SUFFIX = "OnnxConfig"
_EMPTY = frozenset(vars(types.new_class("Empty", (ABC,))))
"""The attributes of a class that a row makes."""


@dataclass(frozen=True, slots=True)
class Row:
    """One architecture that is described like another one.

    Its class has the name `{name}OnnxConfig`. `differs` says in one phrase how the model differs,
    and becomes the docstring.
    """

    architecture: str
    name: str
    tasks: Sequence[str]
    differs: str

    @property
    def class_name(self) -> str:
        return f"{self.name}{SUFFIX}"


def register_rows(like: type[OnnxConfig], *rows: Row) -> None:
    """Make a subclass of `like` for each row, and register it for the tasks of the row.

    The module that calls this has the classes under their names, as if they were written there.
    Raises DescriptionError for a name that no class can have, and for a row without a phrase.
    """
    # As collections.namedtuple does: pickle and tracebacks name the module of the table.
    module = sys._getframe(1).f_globals
    for row in rows:
        name = row.class_name
        if not (name.isidentifier() and row.differs.strip()):
            raise DescriptionError(
                f"row of {row.architecture}: got the class name {name!r} and the phrase "
                f"{row.differs!r}, expected an identifier and how its model differs; correct it"
            )
        about = f"{row.architecture}, like {like.__name__}: {row.differs}."
        home = module.get("__name__", "__main__")
        made: type[OnnxConfig] = type(name, (like,), {"__module__": home, "__doc__": about})
        module[name] = register(row.architecture, tasks=row.tasks)(made)


def class_with_content(described: type[OnnxConfig]) -> type[OnnxConfig]:
    """Return the first class of the bases that says something, which is not the class of a row.

    Type checkers see no other.
    """
    while len(described.__bases__) == 1 and vars(described).keys() <= _EMPTY:
        (described,) = described.__bases__
    return described
