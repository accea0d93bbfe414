"""Settings of a tiny configuration while they are repaired, with each repair and its error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.inference.stops import shown


@dataclass(frozen=True, slots=True)
class Repair:
    """Changed settings, what was changed, and what a person should be asked about it."""

    settings: Mapping[str, Any]
    note: str
    questions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """Settings, the repairs that led to them, and open questions."""

    settings: Mapping[str, Any]
    repairs: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()

    def after(self, repair: Repair, error: BaseException) -> Draft:
        """Return the draft with a repair of an error."""
        note = f"{repair.note}, after {shown(error)}"
        return Draft(repair.settings, (*self.repairs, note), (*self.questions, *repair.questions))
