"""What measured cells say of the tolerance of their architecture and task, and propose for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from typing import Any

from harness.judge.rounding import largest_allowed
from harness.judge.tolerances import Measured, Unmeasured
from harness.records import Outcome
from harness.requirements._compare import ROUNDINGS

SCHEMA_VERSION = 1
SMALLEST = 1e-6
"""Eight units in the last place of a float32 near 1: less tells processors apart, not files."""
SPREAD = 2
AGREEING = 3
DIGITS = 2


def propose(needed: float, rounding: float) -> float | None:
    """A tolerance for what was `needed` on a model whose eager outputs are off by `rounding`.

    Twice what was needed: the largest of the examples that were drawn is not the largest there
    is, and another processor adds up in another order. Not below three times the rounding: two
    sides that are off by that much in opposite directions are both right and twice as far apart,
    and other seeds come. Rounded up to two digits, but never above what is allowed. None where
    more is needed than that: ten roundings are no rounding, so something else is wrong.
    """
    allowed = largest_allowed(rounding)
    if needed > allowed:
        return None
    wanted = _rounded(max(SMALLEST, SPREAD * needed, AGREEING * rounding), ROUND_CEILING)
    return next(
        v for v in (wanted, _rounded(allowed, ROUND_FLOOR), allowed) if needed <= v <= allowed
    )


def _rounded(value: float, direction: str) -> float:
    return float(Context(prec=DIGITS, rounding=direction).create_decimal(repr(value)))


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The tolerance of an architecture and task, by all cells that were measured of it.

    A variant is one more model of the architecture: the tolerance is for the one that needs most.
    """

    cells: Sequence[Measured]

    @property
    def name(self) -> str:
        cell = self.cells[0].cell
        return f"{cell.architecture}/{cell.task}"

    @property
    def atol(self) -> float:
        return self.cells[0].atol

    @property
    def neediest(self) -> Measured:
        return max(self.cells, key=lambda cell: cell.needed.max_abs_diff)

    @property
    def needed(self) -> float:
        return self.neediest.needed.max_abs_diff

    @property
    def rounding(self) -> float:
        return max(cell.eager.max_abs_diff for cell in self.cells)

    @property
    def allowed(self) -> float:
        return largest_allowed(self.rounding)

    @property
    def proposed(self) -> float | None:
        return propose(self.needed, self.rounding)

    @property
    def problems(self) -> list[str]:
        """What is wrong with the tolerance, or with the files that it is for."""
        return list(self._problems())

    def _problems(self) -> Iterator[str]:
        subject, neediest = f"atol of {self.name}", self.neediest
        if not neediest.is_sufficient:
            yield (
                f"{subject}: got {self.atol:.3g}, expected at least {self.needed:.3g}, which "
                f"{neediest.cell} needed [{neediest.needed}]"
            )
        if self.atol > self.allowed:
            yield (
                f"{subject}: got {self.atol:.3g}, expected at most {self.allowed:.3g}, since eager "
                f"is off by {self.rounding:.3g} itself; lower it, or write the reason beside it"
            )
        if self.proposed is None:
            yield (
                f"needed for {self.name}: got {self.needed:.3g}, expected at most "
                f"{self.allowed:.3g}; needed exceeds {ROUNDINGS} x eager's rounding: a defect or a "
                "reason to write down, no tolerance to raise"
            )

    def to_json(self) -> dict[str, Any]:
        cell = self.cells[0].cell
        return {
            "library": cell.library,
            "architecture": cell.architecture,
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
    """All cells that were measured, `is_complete` where those are all that were asked for."""

    cells: Sequence[Measured | Unmeasured]
    is_complete: bool

    @property
    def measured(self) -> list[Measured]:
        return [cell for cell in self.cells if isinstance(cell, Measured)]

    @property
    def unmeasured(self) -> list[Unmeasured]:
        return [cell for cell in self.cells if isinstance(cell, Unmeasured)]

    @property
    def tolerances(self) -> list[Tolerance]:
        """One for each architecture and task of which a cell was measured."""
        groups: dict[tuple[str, ...], list[Measured]] = {}
        for measured in self.measured:
            cell = measured.cell
            groups.setdefault((cell.library, cell.architecture, cell.task), []).append(measured)
        return [Tolerance(tuple(group)) for group in groups.values()]

    @property
    def holds(self) -> bool:
        """Whether each tolerance was shown to be large enough and small enough, of every cell that
        is applicable, and there was one."""
        is_known = all(cell.outcome is Outcome.NOT_APPLICABLE for cell in self.unmeasured)
        is_sound = not any(tolerance.problems for tolerance in self.tolerances)
        return self.is_complete and is_known and is_sound and bool(self.tolerances)

    def to_json(self) -> dict[str, Any]:
        """The form that `tolerances --json` prints; its schema is `tolerances.schema.json`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "holds": self.holds,
            "complete": self.is_complete,
            "cells": [_cell_json(cell) for cell in self.cells],
            "tolerances": [tolerance.to_json() for tolerance in self.tolerances],
        }


def _cell_json(row: Measured | Unmeasured) -> dict[str, Any]:
    cell = {"cell": str(row.cell)}
    if isinstance(row, Unmeasured):
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
