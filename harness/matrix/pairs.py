"""The full matrix as pairs of a cell and a requirement, and boxes of pairs that entries cover."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple, Self

from harness.evidence.fixtures import TinyModel
from harness.matrix.registry import Registry
from harness.records import CellId

NIGHTLY = "nightly"
KEYS = ("architecture", "task", "opsets", "exporter", "requirement")
"""The keys of an entry, in the order of the fields of `Pair` and of `Box`."""


class Pair(NamedTuple):
    """One (cell, requirement), in the names that entries use."""

    model: TinyModel
    task: str
    opset: int
    exporter: str
    requirement: str

    @classmethod
    def of(cls, cell: CellId, requirement: str) -> Self:
        model = TinyModel(cell.architecture, cell.variant)
        return cls(model, cell.task, cell.opset, cell.exporter, requirement)

    def __str__(self) -> str:
        return f"{self.model}/{self.task}/opset{self.opset}/{self.exporter} {self.requirement}"


class Box(NamedTuple):
    """Every pair that has one of these values in each of its fields."""

    models: frozenset[TinyModel]
    tasks: frozenset[str]
    opsets: frozenset[int]
    exporters: frozenset[str]
    requirements: frozenset[str]

    @classmethod
    def of(cls, pairs: Collection[Pair]) -> Self:
        """The smallest box around these pairs."""
        return cls(*(frozenset(values) for values in zip(*pairs, strict=True)))

    def covers(self, pair: Pair) -> bool:
        return all(value in values for value, values in zip(pair, self, strict=True))

    def overlaps(self, other: Box) -> bool:
        """Whether some pair could lie in both."""
        return not any(mine.isdisjoint(theirs) for mine, theirs in zip(self, other, strict=True))

    def with_key(self, key: str, values: frozenset[Any]) -> Box:
        """This box, with other values for a key of `KEYS`."""
        return self._replace(**{self._fields[KEYS.index(key)]: values})

    def values(self, key: str) -> frozenset[Any]:
        return self[KEYS.index(key)]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Every pair that the nightly plans."""

    registry: Registry

    @property
    def opsets(self) -> tuple[int, ...]:
        from harness.judge.profiles import get_profile

        opsets = get_profile(NIGHTLY).opsets
        assert opsets is not None  # the nightly plans every one
        return opsets

    def rows(self, box: Box) -> list[tuple[TinyModel, str]]:
        """The registered tiny models and tasks in a box."""
        return [
            (model, task)
            for model, tasks in self.registry.tasks.items()
            if model in box.models
            for task in tasks
            if task in box.tasks
        ]

    def pairs(self, box: Box) -> Iterator[Pair]:
        """The pairs of the matrix in a box, in the order of the registry."""
        exporters = [name for name in self.registry.exporters if name in box.exporters]
        requirements = [name for name in self.registry.requirements if name in box.requirements]
        opsets = [opset for opset in self.opsets if opset in box.opsets]
        for model, task in self.rows(box):
            for opset, exporter, requirement in product(opsets, exporters, requirements):
                yield Pair(model, task, opset, exporter, requirement)

    def has(self, pair: Pair) -> bool:
        return any(self.pairs(Box.of([pair])))
