"""The full matrix: every cell that a nightly run without a selection plans."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

from harness.errors import suggest
from harness.matrix.opsets import format_opsets
from harness.matrix.registry import Registry

NIGHTLY = "nightly"


@dataclass(frozen=True, slots=True, kw_only=True)
class FullMatrix:
    """The dimensions of the full matrix, as texts: cell ids are compared without parsing them.

    `rows` are texts such as `bert~tall/fill-mask`, `opsets` maps `opset18` to 18.
    """

    rows: Collection[str]
    opsets: Mapping[str, int]
    exporters: tuple[str, ...]
    requirements: tuple[str, ...]

    @classmethod
    def of(cls, registry: Registry) -> Self:
        from harness.judge.profiles import get_profile

        opsets = get_profile(NIGHTLY).opsets
        assert opsets is not None  # the nightly profile names its opsets
        return cls(
            rows=frozenset(f"{m}/{task}" for m, tasks in registry.tasks.items() for task in tasks),
            opsets={f"opset{opset}": opset for opset in opsets},
            exporters=registry.exporters,
            requirements=registry.requirements,
        )

    def why_not_planned(self, cell: str) -> str | None:
        """Say why the full matrix has no such cell; None if it has it."""
        row, opset, exporter = split_cell(cell)
        if row not in self.rows:
            return f"no architecture with this task is registered; {suggest(row, self.rows)}"
        if opset not in self.opsets:
            return f"the nightly profile plans opsets {format_opsets(self.opsets.values())} only"
        if exporter not in self.exporters:
            return f"exporter {exporter!r} is not known; {suggest(exporter, self.exporters)}"
        return None


def split_cell(cell: str) -> tuple[str, str, str]:
    """Split a cell id into its row, `opset18` and exporter; texts without these are empty."""
    row, opset, exporter = (["", "", *cell.rsplit("/", 2)])[-3:]
    return row, opset, exporter
