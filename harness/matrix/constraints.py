"""Remove pins from a constraints file so that a canary run can install newer packages.

If a pin contradicts a newer package, pip silently installs an old version that fits the pin.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from harness.errors import UsageError
from harness.versions import DISTRIBUTIONS

Requires = Callable[[str], Iterable[str]]
"""Returns the requirements that an installed package declares; () if it is not installed."""


def installed_requires(name: str) -> Iterable[str]:
    """Return the requirements of an installed package; () if it is not installed."""
    try:
        return requires(name) or ()
    except PackageNotFoundError:
        return ()


def chosen_names(arguments: Iterable[str]) -> frozenset[str]:
    """Return the package names among the arguments of `pip install`, without options.

    Raises UsageError if an argument is not a requirement and not an option in one word.
    """
    return frozenset(
        _name(argument, subject="canary") for argument in arguments if not argument.startswith("-")
    )


def loosen_pins(
    pins: Iterable[str], chosen: Collection[str], *, requires: Requires = installed_requires
) -> Iterator[str]:
    """Return the lines of a constraints file, without the pins of the `chosen` packages.

    The pins of their requirements are removed too, recursively. Requirements of the harness itself
    stay pinned unless they are chosen.
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
    """Yield the names of a package's requirements on this machine, without extras."""
    for text in requires(name):
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield canonicalize_name(requirement.name)


def _name(text: str, *, subject: str) -> str:
    try:
        return canonicalize_name(Requirement(text).name)
    except InvalidRequirement as error:
        raise UsageError(
            f"{subject} {text!r}: not a requirement; write torch==2.14.*, or an option of pip in "
            "one word, such as --index-url=URL"
        ) from error
