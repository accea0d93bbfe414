"""Declared and actual inputs and outputs of a file, as kept in a record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

VALUES_LIMIT = 64
TEXT_LIMIT = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceValue:
    """One input or output, as declared and as in the file.

    `declared` and `actual` are dtype and dims, such as `int64[batch_size, 4]`; None if the
    description or the file has no input or output of this name.
    """

    name: str
    declared: str | None
    actual: str | None

    @property
    def differs(self) -> bool:
        return self.declared != self.actual


@dataclass(frozen=True, slots=True, kw_only=True)
class PartInterface:
    """The inputs and outputs of one file; `left_out` counts the ones that were not kept.

    Use `bounded` to make one: files of other exporters may have any number of names of any length.
    """

    inputs: list[InterfaceValue]
    outputs: list[InterfaceValue]
    left_out: int = 0

    @classmethod
    def bounded(
        cls, *, inputs: Iterable[InterfaceValue], outputs: Iterable[InterfaceValue]
    ) -> Self:
        """Keep at most `VALUES_LIMIT` inputs and as many outputs, in order, and cut long texts.

        Values that differ from their declaration are kept first.
        """
        sides = [[_cut(value) for value in side] for side in (inputs, outputs)]
        kept = [_limited(side) for side in sides]
        left_out = sum(map(len, sides)) - sum(map(len, kept))
        return cls(inputs=kept[0], outputs=kept[1], left_out=left_out)


def _limited(values: Sequence[InterfaceValue]) -> list[InterfaceValue]:
    differing_first = sorted(range(len(values)), key=lambda index: not values[index].differs)
    return [values[index] for index in sorted(differing_first[:VALUES_LIMIT])]


def _cut(value: InterfaceValue) -> InterfaceValue:
    """Cut all texts to `TEXT_LIMIT`, so that equal texts stay equal."""
    name, declared, actual = (
        text if text is None or len(text) <= TEXT_LIMIT else f"{text[: TEXT_LIMIT - 1]}…"
        for text in (value.name, value.declared, value.actual)
    )
    assert name is not None
    return InterfaceValue(name=name, declared=declared, actual=actual)
