"""Check declared tolerances against measured cells, and propose better ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from typing import Any

from harness.evidence.fixtures import TinyModel
from harness.judge.rounding import largest_allowed_atol
from harness.judge.tolerances import MeasuredCell, UnmeasuredCell
from harness.records import Outcome
from harness.requirements.shared.comparison import ROUNDING_FACTOR

SCHEMA_VERSION = 1
SMALLEST = 1e-6
"""About eight units in the last place of a float32 near 1. Smaller differences come from the
processor, not from the file."""
NEEDED_FACTOR = 2
EAGER_FACTOR = 3
DIGITS = 2


def propose(needed: float, rounding: float) -> float | None:
    """Return a tolerance for the measured maximum `needed` and eager's rounding error `rounding`.

    The proposal is at least 2 x `needed`, since undrawn examples and other processors may give
    larger differences. It is at least 3 x `rounding`, since two correct sides can be off by that
    much in opposite directions, and other seeds may give more. It is rounded up to two digits, but
    never exceeds the largest allowed atol. None if `needed` exceeds that atol: the difference is
    then too large for rounding, so something else is wrong.
    """
    allowed = largest_allowed_atol(rounding)
    if needed > allowed:
        return None
    wanted = _to_two_digits(
        max(SMALLEST, NEEDED_FACTOR * needed, EAGER_FACTOR * rounding), ROUND_CEILING
    )
    return next(
        v for v in (wanted, _to_two_digits(allowed, ROUND_FLOOR), allowed) if needed <= v <= allowed
    )


def _to_two_digits(value: float, direction: str) -> float:
    return float(Context(prec=DIGITS, rounding=direction).create_decimal(repr(value)))


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The tolerance of a tiny model and task, with all of its measured cells.

    Variants without a tolerance of their own have that of their architecture, which must then fit
    the most demanding model.
    """

    cells: Sequence[MeasuredCell]

    @property
    def name(self) -> str:
        return f"{self.holder}/{self.task}"

    @property
    def holder(self) -> TinyModel:
        return self.cells[0].holder

    @property
    def task(self) -> str:
        return self.cells[0].cell.task

    @property
    def atol(self) -> float | None:
        """The stated or stored tolerance; None if each verdict measures it."""
        return self.cells[0].atol

    @property
    def to_store(self) -> float | None:
        """The proposal, if no tolerance is known, or if one is stored that does not hold."""
        if self.cells[0].is_stated or (self.atol is not None and not self.problems):
            return None
        return self.proposed

    @property
    def most_demanding(self) -> MeasuredCell:
        return max(self.cells, key=lambda cell: cell.needed.max_abs_diff)

    @property
    def needed(self) -> float:
        return self.most_demanding.needed.max_abs_diff

    @property
    def rounding(self) -> float:
        return max(cell.eager.max_abs_diff for cell in self.cells)

    @property
    def allowed(self) -> float:
        return largest_allowed_atol(self.rounding)

    @property
    def proposed(self) -> float | None:
        return propose(self.needed, self.rounding)

    @property
    def problems(self) -> list[str]:
        """One message for each problem of the tolerance, or of the exported files."""
        return list(self._problems())

    def _problems(self) -> Iterator[str]:
        subject, most_demanding = f"atol of {self.name}", self.most_demanding
        is_excused = bool(self.cells[0].reason)
        if self.atol is not None and not most_demanding.is_sufficient:
            yield (
                f"{subject}: got {self.atol:.3g}, expected at least {self.needed:.3g}, which "
                f"{most_demanding.cell} needed [{most_demanding.needed}]"
            )
        if self.atol is not None and self.atol > self.allowed and not is_excused:
            yield (
                f"{subject}: got {self.atol:.3g}, expected at most {self.allowed:.3g}, since "
                f"eager's rounding error is {self.rounding:.3g}; lower it, or give the reason in "
                "an exception `tolerance` of the tiny model"
            )
        if self.proposed is None and not is_excused:
            yield (
                f"needed for {self.name}: got {self.needed:.3g}, expected at most "
                f"{self.allowed:.3g}; needed exceeds {ROUNDING_FACTOR} x eager's rounding error: "
                "do not raise the tolerance, find the defect or document the reason"
            )

    def to_json(self) -> dict[str, Any]:
        cell = self.cells[0].cell
        return {
            "library": cell.library,
            "architecture": str(self.holder),
            "task": cell.task,
            "atol": self.atol,
            "needed": self.needed,
            "eager": self.rounding,
            "allowed": self.allowed,
            "proposed": self.proposed,
            "problems": self.problems,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ToleranceReport:
    """Results of all cells; `is_complete` is False if the measurement was interrupted."""

    cells: Sequence[MeasuredCell | UnmeasuredCell]
    is_complete: bool

    @property
    def measured(self) -> list[MeasuredCell]:
        return [cell for cell in self.cells if isinstance(cell, MeasuredCell)]

    @property
    def unmeasured(self) -> list[UnmeasuredCell]:
        return [cell for cell in self.cells if isinstance(cell, UnmeasuredCell)]

    @property
    def tolerances(self) -> list[Tolerance]:
        """One tolerance for each tiny model that has one, and task, with a measured cell."""
        groups: dict[tuple[str, ...], list[MeasuredCell]] = {}
        for measured in self.measured:
            cell, holder = measured.cell, str(measured.holder)
            groups.setdefault((cell.library, holder, cell.task), []).append(measured)
        return [Tolerance(tuple(group)) for group in groups.values()]

    @property
    def holds(self) -> bool:
        """Whether all applicable cells were measured and no tolerance has a problem.

        False if no cell was measured.
        """
        is_known = all(cell.outcome is Outcome.NOT_APPLICABLE for cell in self.unmeasured)
        is_sound = not any(tolerance.problems for tolerance in self.tolerances)
        return self.is_complete and is_known and is_sound and bool(self.tolerances)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON that `tolerances --json` prints; its schema: `tolerances.schema.json`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "holds": self.holds,
            "complete": self.is_complete,
            "cells": [_cell_json(cell) for cell in self.cells],
            "tolerances": [tolerance.to_json() for tolerance in self.tolerances],
        }


def _cell_json(row: MeasuredCell | UnmeasuredCell) -> dict[str, Any]:
    cell = {"cell": str(row.cell)}
    if isinstance(row, UnmeasuredCell):
        return {**cell, "outcome": str(row.outcome), "message": row.message}
    return {
        **cell,
        "examples": row.examples,
        "atol": row.atol,
        "allowed": row.allowed,
        "needed": asdict(row.needed),
        "eager": asdict(row.eager),
        "candidate": asdict(row.candidate),
    }
