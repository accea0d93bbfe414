"""The order in which workers get scopes."""

from __future__ import annotations

import pytest

from harness.pytest_plugin.scopes import next_scope, scope_of

WAITING = {
    "a/short": 1.0,
    "a/long": 5.0,
    "b/only": 5.5,
    "c/short": 3.0,
    "c~tall/short": 4.0,
}


def item(cell: str) -> str:
    return f"test_conformance.py::test_cell[{cell}]"


def test_the_cells_of_a_tiny_model_and_task_are_one_scope() -> None:
    cells = [f"bert/fill-mask/opset{n}/{name}" for n in (9, 18) for name in ("dynamo", "other")]
    assert {scope_of(item(cell)) for cell in cells} == {"bert/fill-mask"}
    assert scope_of(item("bert~tall/fill-mask/opset9/dynamo")) == "bert~tall/fill-mask"
    assert scope_of("conformance/test_registry.py::test_it") == "conformance/test_registry.py"


@pytest.mark.parametrize(
    ("assigned", "others", "chosen"),
    [
        ([], [], "c~tall/short"),
        (["a/done"], ["c/done"], "a/long"),
        (["b~tall/done"], ["c/done"], "b/only"),
        (["d/done"], ["c/done"], "a/long"),
        (["d/done"], ["a/done", "c/done"], "b/only"),
        (["d/done"], ["a/done", "b/done", "c/done"], "c~tall/short"),
        (["a/done", "c/done"], ["c/done"], "c~tall/short"),
    ],
)
def test_own_architectures_come_first_then_free_ones_then_the_longest(
    assigned: list[str], others: list[str], chosen: str
) -> None:
    assert next_scope(WAITING, assigned=assigned, others=others) == chosen


def test_ties_are_decided_by_name() -> None:
    waiting = {"b/y": 1.0, "a/y": 0.5, "a/x": 0.5}
    assert next_scope(waiting, assigned=[], others=[]) == "a/x"
