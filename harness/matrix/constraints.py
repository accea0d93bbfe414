"""Which pinned versions let go when a canary tries newer ones, so that pip can follow them.

A pin that the newer package contradicts would make pip go back, in silence, to an old version.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from harness.errors import UsageError
from harness.versions import DISTRIBUTIONS

Requires = Callable[[str], Iterable[str]]
"""The requirements that an installed package declares; none for one that is not installed."""


def installed_requires(name: str) -> Iterable[str]:
    """What an installed package requires."""
    try:
        return requires(name) or ()
    except PackageNotFoundError:
        return ()


def chosen_names(arguments: Iterable[str]) -> frozenset[str]:
    """The packages among the arguments of `pip install`, options left out.

    Raises UsageError for what is neither a requirement nor an option in one word.
    """
    return frozenset(
        _name(argument, subject="canary") for argument in arguments if not argument.startswith("-")
    )


def loosened(
    pins: Iterable[str], chosen: Collection[str], *, requires: Requires = installed_requires
) -> Iterator[str]:
    """The lines of a constraints file without those of `chosen`, nor of what they alone require.

    What the harness itself requires stays pinned unless chosen.
    """
    own = set(_required_by(DISTRIBUTIONS["harness"], requires))
    freed, waiting = set(chosen), list(chosen)
    while waiting:
        found = set(_required_by(waiting.pop(), requires)) - freed - own
        freed |= found
        waiting += found
    for line in pins:
        text = line.partition("#")[0].strip()
        if not text or _name(text, subject="constraints") not in freed:
            yield line


def _required_by(name: str, requires: Requires) -> Iterator[str]:
    """What a package requires here, without its extras."""
    for text in requires(name):
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield canonicalize_name(requirement.name)


def _name(text: str, *, subject: str) -> str:
    try:
        return canonicalize_name(Requirement(text).name)
    except InvalidRequirement as error:
        raise UsageError(
            f"{subject} {text!r}: is no requirement; write torch==2.14.*, or an option of pip in "
            "one word, as --index-url=URL"
        ) from error
