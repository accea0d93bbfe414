"""Runs the cell of one pytest item, and makes the item pass, fail, skip or xfail."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator

import pytest

from harness.isolation.supervisor import CellJob, CellResult
from harness.matrix.seeds import cell_seed
from harness.pytest_plugin.context import CONTEXT, RunContext
from harness.pytest_plugin.findings import NonConformanceError, reason_of
from harness.records import CellId, CellReport, Outcome

PROPERTY = "conformance"


@pytest.fixture
def assert_conforms(request: pytest.FixtureRequest) -> Callable[[CellId], None]:
    """Return a function that judges a cell and fails, xfails or skips the item accordingly."""
    context = request.config.stash[CONTEXT]

    def conform(cell: CellId) -> None:
        judged = judge_planned_cell(cell, context)
        # One JSON string: xdist aborts a whole run over a property of another type.
        report_data = {"lines": judged.lines, "notice": judged.notice, "peak": judged.peak}
        request.node.user_properties.append((PROPERTY, json.dumps(report_data)))
        print(judged.output, end="")  # noqa: T201 - pytest shows it with a failure
        report = CellReport(cell, tuple(judged.records[name] for name in context.plan[cell]))
        raise_unless_passed(report, runxfail=request.config.option.runxfail)

    return conform


def judge_planned_cell(cell: CellId, context: RunContext) -> CellResult:
    """Judge one cell, or reuse its records. Every planned requirement has a record afterwards."""
    job = CellJob(
        cell=cell,
        requirements=context.plan[cell],
        known=context.earlier_records.get(cell, {}),
        seed=cell_seed(context.seed, cell),
    )
    return context.judge_or_reuse(job)


def raise_unless_passed(report: CellReport, *, runxfail: bool) -> None:
    """Give a pytest item the result of its cell: return if the cell passed, else raise.

    Raises NonConformanceError for an unexpected failure or an unexpected pass, and with `runxfail`
    for an expected failure too. Otherwise an expected failure is reported as xfailed, and a cell
    without an applicable requirement as skipped.
    """
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
    """Show the findings of a cell instead of a Python traceback through the harness."""
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, NonConformanceError):
        report.longrepr = str(call.excinfo.value)
    return report
