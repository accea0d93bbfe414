"""RULES: one module per requirement, each a pure function of evidence.

Every module here whose name has no leading underscore binds `REQUIREMENT`; ranks order them.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Iterable

from harness.errors import UsageError, suggest
from harness.requirements._base import Requirement


@functools.cache
def ladder() -> tuple[Requirement, ...]:
    """All requirements in the order in which they are judged."""
    names = (m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    found: list[Requirement] = [
        importlib.import_module(f"{__name__}.{name}").REQUIREMENT for name in names
    ]
    return tuple(sorted(found, key=lambda requirement: requirement.rank))


def requirement_ids(*, exports_again: bool = True) -> list[str]:
    """The ids of all requirements, or of those that export nothing again, in ladder order."""
    return [one.id for one in ladder() if exports_again or not one.exports_again]


def check_requirement_ids(ids: Iterable[str]) -> None:
    """Raise UsageError for an id that no requirement has."""
    known = requirement_ids()
    for name in ids:
        if name not in known:
            raise UsageError(f"requirement {name!r} is not known; {suggest(name, known)}")
