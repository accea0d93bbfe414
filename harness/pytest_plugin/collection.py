"""One item per planned cell, and back from an item to its cell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.errors import UsageError
from harness.pytest_plugin.context import CONTEXT
from harness.pytest_plugin.options import any_given
from harness.pytest_plugin.planning import Planned
from harness.records import CellId

FUNCTION = "test_cell"
CELL = "cell"
SUITE = "conformance"
NOTHING = "nothing"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every `test_cell(cell, ...)` one item per cell of the plan.

    Its name counts because a controller has nothing else by which to tell cells from other tests.
    """
    if metafunc.function.__name__ == FUNCTION and CELL in metafunc.fixturenames:
        planned = metafunc.config.stash[CONTEXT].planned
        metafunc.parametrize(CELL, list(_parameters(planned)))


def _parameters(planned: Planned) -> Iterator[Any]:
    """A run that rightly has no cell ends well, and shows an item that says why."""
    if not planned.plan:
        yield pytest.param(None, marks=pytest.mark.skip(reason=planned.why_empty), id=NOTHING)
    for cell in planned.plan:
        yield pytest.param(cell, id=str(cell))


def cell_of(nodeid: str) -> CellId | None:
    """The cell of an item, None where it is another test.

    The id is all that a controller has: under xdist it collects no items itself.
    """
    function, _, rest = nodeid.rpartition("[")
    if not function.endswith(f"::{FUNCTION}"):
        return None
    try:
        return CellId.parse(rest.removesuffix("]"))
    except UsageError:
        return None


def reaches_suite(config: pytest.Config) -> bool:
    """Whether this call of pytest is about cells, as far as its arguments tell.

    Then its options are checked before any process starts; a call about other tests
    (`pytest tests`) is left alone. Cells that turn up all the same are planned when collected.
    """
    return any_given(config) or any(_reaches(argument, config) for argument in config.args)


def _reaches(argument: str, config: pytest.Config) -> bool:
    name = argument.partition("::")[0]
    if config.option.pyargs and name.partition(".")[0] == SUITE:
        return True
    suite = Path(harness.__file__).resolve().parents[1] / SUITE
    path = (config.invocation_params.dir / name).resolve()
    return path == suite or suite in path.parents or path in suite.parents
