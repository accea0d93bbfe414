"""Has the cell of one item judged, and settles how the item ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator

import pytest

from harness.isolation.supervisor import Judged, Work
from harness.matrix.seeds import cell_seed
from harness.pytest_plugin.context import CONTEXT, RunContext
from harness.pytest_plugin.findings import NonConformanceError, reason_of
from harness.records import CellId, CellReport, Outcome

PROPERTY = "conformance"


@pytest.fixture
def assert_conforms(request: pytest.FixtureRequest) -> Callable[[CellId], None]:
    """Judge a cell: raises, xfails or skips as its records say."""
    context = request.config.stash[CONTEXT]

    def conform(cell: CellId) -> None:
        judged = judge(cell, context)
        # One JSON string: xdist aborts a whole run over a property of another type.
        told = {"lines": judged.lines, "notice": judged.notice, "peak": judged.peak}
        request.node.user_properties.append((PROPERTY, json.dumps(told)))
        print(judged.output, end="")  # noqa: T201 - pytest shows it beside a failure
        report = CellReport(cell, tuple(judged.records[name] for name in context.plan[cell]))
        settle(report, runxfail=request.config.option.runxfail)

    return conform


def judge(cell: CellId, context: RunContext) -> Judged:
    """Have one cell judged; every planned requirement ends with a record."""
    work = Work(
        cell=cell,
        requirements=context.plan[cell],
        known=context.known.get(cell, {}),
        seed=cell_seed(context.seed, cell),
    )
    return context.judge(work)


def settle(report: CellReport, *, runxfail: bool) -> None:
    """End an item: raises NonConformanceError, xfails or skips; returns where the cell passed."""
    outcomes = {record.outcome for record in report.records}
    if not report.expected or (runxfail and Outcome.XFAILED in outcomes):
        raise NonConformanceError(report)
    if Outcome.XFAILED in outcomes:
        pytest.xfail(reason_of(report, Outcome.XFAILED))
    if outcomes == {Outcome.NOT_APPLICABLE}:
        pytest.skip(reason_of(report, Outcome.NOT_APPLICABLE))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show findings as they are: a Python traceback through the harness would explain nothing."""
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, NonConformanceError):
        report.longrepr = str(call.excinfo.value)
    return report
