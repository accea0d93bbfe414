"""The mutations: each changes the meaning of the code, one place at a time, and nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutations.__main__ import PACKAGES, ROOT, choose
from tests.mutations.sites import find_mutations

SOURCE = '''\
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os


def check(values: dict[str, int], limit: int = 3) -> bool:
    """Doc with 1 < 2."""
    if not values or max(values.values()) >= limit + 1:
        return any(v in (1, 2) for v in values.values())
    return "ä" == "b" and values["x"] * 2 > 0
'''

EXPECTED = {
    "limit: int = 4",
    "if values or max(values.values()) >= limit + 1:",
    "if not values and max(values.values()) >= limit + 1:",
    "if not values or min(values.values()) >= limit + 1:",
    "if not values or max(values.values()) > limit + 1:",
    "if not values or max(values.values()) >= limit - 1:",
    "if not values or max(values.values()) >= limit + 2:",
    "if (not (not values or max(values.values()) >= limit + 1)):",
    "return all(v in (1, 2) for v in values.values())",
    "return any(v not in (1, 2) for v in values.values())",
    'return "ä" != "b" and values["x"] * 2 > 0',
    'return "ä" == "b" or values["x"] * 2 > 0',
    'return "ä" == "b" and values["x"] // 2 > 0',
    'return "ä" == "b" and values["x"] * 2 >= 0',
}


@pytest.fixture
def mutated(tmp_path: Path) -> list[str]:
    (tmp_path / "code.py").write_text(SOURCE, encoding="utf-8")
    return [m.applied(SOURCE) for m in find_mutations(tmp_path, Path("code.py"))]


def test_operators_bounds_and_conditions_are_changed(mutated: list[str]) -> None:
    lines = {line.strip() for source in mutated for line in source.splitlines()}
    found = {text for text in EXPECTED if any(text in line for line in lines)}
    assert found == EXPECTED


def test_every_mutation_parses_and_differs_in_one_line(mutated: list[str]) -> None:
    original = SOURCE.splitlines()
    for source in mutated:
        assert ast.dump(ast.parse(source)) != ast.dump(ast.parse(SOURCE))
        pairs = zip(original, source.splitlines(), strict=True)
        assert sum(before != after for before, after in pairs) == 1


def test_types_and_docstrings_are_left_alone(mutated: list[str]) -> None:
    assert all("if TYPE_CHECKING:" in source for source in mutated)
    assert all("Doc with 1 < 2." in source for source in mutated)


def test_the_same_seed_draws_the_same_places_from_each_package() -> None:
    first, again, other = (choose(ROOT, count=40, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    for package in PACKAGES:
        assert sum(m.path.startswith(f"{package}/") for m in first) == 10
