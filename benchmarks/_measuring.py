"""Shared by all benchmarks: bars, console output, progress and the option parser."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Bar:
    """An upper or lower limit for a measurement; the limit itself is allowed."""

    limit: float
    wrong_side: str
    unit: str = ""

    @classmethod
    def at_most(cls, limit: float, unit: str = "") -> Self:
        return cls(limit, "ABOVE", unit)

    @classmethod
    def at_least(cls, limit: float, unit: str = "") -> Self:
        return cls(limit, "BELOW", unit)

    def verdict(self, value: float) -> str:
        """Return the verdict on a value, such as `within the bar of 2 s`."""
        is_above = value > self.limit
        is_wrong = value != self.limit and is_above == (self.wrong_side == "ABOVE")
        side = self.wrong_side if is_wrong else "within"
        return f"{side} the bar of {self.limit:g}{self.unit}"


def make_console() -> Console:
    return Console(width=110, highlight=False)


def progress(items: Sequence[Item], what: str) -> Iterable[Item]:
    """Yield the items, with a progress bar on stderr."""
    return track(items, what, console=Console(stderr=True))


def make_parser(spec: ModuleSpec | None, description: str | None) -> argparse.ArgumentParser:
    """Return an option parser for the benchmark module with this `__spec__` and `__doc__`."""
    return argparse.ArgumentParser(prog=spec.name if spec else None, description=description)
