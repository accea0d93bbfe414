"""The inputs and outputs of a file as a record keeps them: declared beside what the file has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

VALUES_LIMIT = 64
TEXT_LIMIT = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceValue:
    """One input or output.

    Each side is a text such as `int64[batch_size, 4]`: dtype and dims. None where the description
    declares none of this name, or the file has none.
    """

    name: str
    declared: str | None
    actual: str | None

    @property
    def differs(self) -> bool:
        return self.declared != self.actual


@dataclass(frozen=True, slots=True, kw_only=True)
class PartInterface:
    """The inputs and outputs of one file, as declared; `left_out` counts those that are not kept.

    `bounded` makes one: files of others may have any number of them, of any length.
    """

    inputs: list[InterfaceValue]
    outputs: list[InterfaceValue]
    left_out: int = 0

    @classmethod
    def bounded(
        cls, *, inputs: Iterable[InterfaceValue], outputs: Iterable[InterfaceValue]
    ) -> Self:
        """Of each side `VALUES_LIMIT`, in order, those that differ before all others."""
        sides = [[_cut(value) for value in side] for side in (inputs, outputs)]
        kept = [_chosen(side) for side in sides]
        left_out = sum(map(len, sides)) - sum(map(len, kept))
        return cls(inputs=kept[0], outputs=kept[1], left_out=left_out)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        inputs, outputs = (
            [InterfaceValue(**value) for value in data[side]] for side in ("inputs", "outputs")
        )
        return cls(**{**data, "inputs": inputs, "outputs": outputs})


def _chosen(side: Sequence[InterfaceValue]) -> list[InterfaceValue]:
    by_need = sorted(range(len(side)), key=lambda place: not side[place].differs)
    return [side[place] for place in sorted(by_need[:VALUES_LIMIT])]


def _cut(value: InterfaceValue) -> InterfaceValue:
    """Equal sides stay equal, and others differ where they did unless the end alone did."""
    name, declared, actual = (
        text if text is None or len(text) <= TEXT_LIMIT else f"{text[: TEXT_LIMIT - 1]}…"
        for text in (value.name, value.declared, value.actual)
    )
    assert name is not None
    return InterfaceValue(name=name, declared=declared, actual=actual)
