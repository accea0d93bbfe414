"""The inputs and outputs of a cell's files, declared and actual, in as few rows as possible."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from harness.records import CellReport, InterfaceValue, PartInterface


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceRow:
    """Inputs or outputs of one part that have the same types, such as all tensors of a cache.

    `declared` is None if the description lacks these names, `actual` if the file lacks them.
    """

    part: str
    side: str
    names: tuple[str, ...]
    declared: str | None
    actual: str | None

    @property
    def differs(self) -> bool:
        return self.declared != self.actual


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """The rows of all parts; `left_out` counts inputs and outputs that the run file omits."""

    rows: tuple[InterfaceRow, ...]
    has_parts: bool
    summary: str
    differs: bool
    left_out: int


def interface_of(report: CellReport) -> Interface | None:
    """Return the interface of a cell's files, or None if the run has none recorded."""
    parts: Mapping[str, PartInterface] = {
        stem: part for record in report.records for stem, part in record.interface.items()
    }
    if not parts:
        return None
    return Interface(
        rows=tuple(row for stem, part in parts.items() for row in _rows(stem, part)),
        has_parts=len(parts) > 1,
        summary=_summary(parts.values()),
        differs=any(value.differs for part in parts.values() for value in _all(part)),
        left_out=sum(part.left_out for part in parts.values()),
    )


def _all(part: PartInterface) -> list[InterfaceValue]:
    return [*part.inputs, *part.outputs]


def _summary(parts: Collection[PartInterface]) -> str:
    inputs = _count(sum(len(part.inputs) for part in parts), "input")
    outputs = _count(sum(len(part.outputs) for part in parts), "output")
    differing = sum(value.differs for part in parts for value in _all(part))
    found = f"{differing} not as declared" if differing else "as declared"
    return f"{inputs} and {outputs}, {found}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _rows(stem: str, part: PartInterface) -> Iterator[InterfaceRow]:
    for side, values in (("input", part.inputs), ("output", part.outputs)):
        alike: dict[tuple[str | None, str | None], list[InterfaceValue]] = {}
        for value in values:
            alike.setdefault((value.declared, value.actual), []).append(value)
        for (declared, actual), same in alike.items():
            yield InterfaceRow(
                part=stem,
                side=side,
                names=tuple(value.name for value in same),
                declared=declared,
                actual=actual,
            )
