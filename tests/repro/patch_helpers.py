"""Functions that the patches in `patch_cases` import."""

from __future__ import annotations

from typing import Any

FACTOR = 3
NOTE = "of the helpers"


def tripled(number: int) -> int:
    return FACTOR * number


def note() -> str:
    """Return a constant that another module has under the same name."""
    return NOTE


class Marker:
    """An object that a patch makes."""

    def __init__(self, mark: Any) -> None:
        self.mark = mark

    def of(self, number: int) -> tuple[Any, int]:
        return self.mark, tripled(number)
