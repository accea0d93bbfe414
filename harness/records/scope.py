"""The scope of a verdict on files: what was judged, what was not, and how exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.records.json_types import to_plain
from harness.records.lines import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOutFile:
    """A file in the judged folder that may be a model but was not judged, and the reason."""

    file: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file} ({self.reason})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The largest size of an axis, or value of an axis expression, in the examples that ran.

    `bound` is the largest size that the model states; None if it states none.
    """

    axis: str
    reached: int
    bound: int | None

    def __str__(self) -> str:
        return f"{self.axis} {show_reached(self.reached, self.bound)}"


def show_reached(reached: int, bound: int | None) -> str:
    """Return a size with the largest one that the model states, such as `512 of 512`.

    A model may go on beyond a landmark: `384 beyond 128`.
    """
    if bound is None:
        return f"{reached:,}"
    return f"{reached:,} {'of' if reached <= bound else 'beyond'} {bound:,}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The scope of a verdict on files.

    `judged` and `left_out` are files, relative to `folder`. `not_asked` are the requirements that
    were not planned; `is_selection` says whether the user chose the planned ones. `notes` say what
    the verdict does not cover, one line each.
    """

    folder: str
    judged: tuple[str, ...]
    left_out: tuple[LeftOutFile, ...]
    not_asked: tuple[str, ...]
    is_selection: bool
    dtype: str
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        plain: dict[str, Any] = to_plain(self)
        return plain


def reach_of(records: tuple[Record, ...]) -> tuple[Reach, ...]:
    """Return how far the examples of some records reached together, by axis."""
    reached: dict[str, int] = {}
    bounds: dict[str, int] = {}
    for record in records:
        for axis, sizes in record.covered.items():
            reached[axis] = max([reached.get(axis, 0), *sizes])
        bounds.update(record.bounds)
    return tuple(
        Reach(axis=axis, reached=size, bound=bounds.get(axis))
        for axis, size in sorted(reached.items())
    )
