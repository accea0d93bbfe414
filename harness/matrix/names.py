"""Comma lists of globs over known names, as in options and expectations."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from harness.errors import UsageError, suggest


def split_list(text: str, *, subject: str) -> tuple[str, ...]:
    """Return the items of a comma list.

    Raises UsageError that starts with `subject` if an item is empty.
    """
    items = tuple(item.strip() for item in text.split(","))
    if not all(items):
        raise UsageError(f"{subject} {text!r}: an item is empty; write a comma list, such as a,b*")
    return items


def select(text: str | None, known: Iterable[str], *, subject: str) -> tuple[str, ...]:
    """Return the known names that a comma list of globs matches, in the order of `known`.

    Returns all names if `text` is None. Raises UsageError that starts with `subject` and suggests
    the nearest name if an item matches no name: a misspelt name must not silently select less.
    """
    names = tuple(known)
    if text is None:
        return names
    patterns = split_list(text, subject=subject)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise UsageError(f"{subject} {pattern!r}: matches none; {suggest(pattern, names)}")
    return tuple(n for n in names if any(fnmatchcase(n, pattern) for pattern in patterns))
