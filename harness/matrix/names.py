"""Comma lists of globs over known names, as options and expectations write them."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from harness.errors import UsageError, suggest


def split_list(text: str, *, subject: str) -> tuple[str, ...]:
    """The items of a comma list; raises UsageError that starts with `subject` for an empty one."""
    items = tuple(item.strip() for item in text.split(","))
    if not all(items):
        raise UsageError(f"{subject} {text!r}: an item is empty; write a comma list, such as a,b*")
    return items


def select(text: str | None, known: Iterable[str], *, subject: str) -> tuple[str, ...]:
    """The known names that a comma list of globs matches, in their own order; all for None.

    Raises UsageError that starts with `subject` and names the nearest for an item that matches
    none: a misspelt name must not quietly select less.
    """
    names = tuple(known)
    if text is None:
        return names
    patterns = split_list(text, subject=subject)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise UsageError(f"{subject} {pattern!r}: matches none; {suggest(pattern, names)}")
    return tuple(n for n in names if any(fnmatchcase(n, pattern) for pattern in patterns))
