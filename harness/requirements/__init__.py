"""RULES: one module per requirement. A requirement is a pure function of evidence.

Every module here without a leading underscore defines `REQUIREMENT`; `rank` sets the order. The
package `shared` has what other layers use too.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Iterable

from harness.errors import UsageError, suggest
from harness.requirements.shared.requirement import Requirement


@functools.cache
def ladder() -> tuple[Requirement, ...]:
    """Return all requirements in the order in which they run."""
    modules = (m for m in pkgutil.iter_modules(__path__) if not m.ispkg)
    names = (m.name for m in modules if not m.name.startswith("_"))
    found: list[Requirement] = [
        importlib.import_module(f"{__name__}.{name}").REQUIREMENT for name in names
    ]
    return tuple(sorted(found, key=lambda requirement: requirement.rank))


def requirement_ids(*, exports_again: bool = True) -> list[str]:
    """Return requirement ids in ladder order.

    With `exports_again=False`, requirements that export the model a second time are left out.
    """
    return [
        requirement.id for requirement in ladder() if exports_again or not requirement.exports_again
    ]


def check_requirement_ids(ids: Iterable[str], known: Iterable[str] | None = None) -> None:
    """Raise UsageError if an id is not among the known ones, by default all requirements."""
    known = requirement_ids() if known is None else list(known)
    for name in ids:
        if name not in known:
            raise UsageError(f"requirement {name!r} is not known; {suggest(name, known)}")
