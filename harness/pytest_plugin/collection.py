"""Makes one pytest item per planned cell, and finds the cell of an item."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.errors import UsageError
from harness.pytest_plugin.context import CONTEXT
from harness.pytest_plugin.options import any_given
from harness.pytest_plugin.planning import RunPlan
from harness.records import CellId

FUNCTION = "test_cell"
CELL = "cell"
SUITE = "conformance"
NOTHING = "nothing"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every `test_cell(cell, ...)` one item per cell of the plan.

    Only functions of this name get items, because a controller recognises cells by node ids alone.
    """
    if metafunc.function.__name__ == FUNCTION and CELL in metafunc.fixturenames:
        run_plan = metafunc.config.stash[CONTEXT].run_plan
        metafunc.parametrize(CELL, list(_parameters(run_plan)))


def _parameters(run_plan: RunPlan) -> Iterator[Any]:
    """Yield one parameter per cell. An empty plan gets one skipped item that says why."""
    if not run_plan.plan:
        yield pytest.param(None, marks=pytest.mark.skip(reason=run_plan.why_empty), id=NOTHING)
    for cell in run_plan.plan:
        yield pytest.param(cell, id=str(cell))


def cell_of(nodeid: str) -> CellId | None:
    """Return the cell of a node id, or None if the item is another test.

    It reads the id alone, because under xdist the controller collects no items itself.
    """
    function, _, rest = nodeid.rpartition("[")
    if not function.endswith(f"::{FUNCTION}"):
        return None
    try:
        return CellId.parse(rest.removesuffix("]"))
    except UsageError:
        return None


def targets_suite(config: pytest.Config) -> bool:
    """Return whether the arguments of this call of pytest select the conformance suite.

    If so, options are checked before any process starts. A call about other tests
    (`pytest tests`) has nothing to check; cells found in it anyway are planned at collection.
    """
    return any_given(config) or any(_targets_suite(argument, config) for argument in config.args)


def _targets_suite(argument: str, config: pytest.Config) -> bool:
    name = argument.partition("::")[0]
    if config.option.pyargs and name.partition(".")[0] == SUITE:
        return True
    suite = Path(harness.__file__).resolve().parents[1] / SUITE
    path = (config.invocation_params.dir / name).resolve()
    return path == suite or suite in path.parents or path in suite.parents
