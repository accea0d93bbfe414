"""Runs the cell of one pytest item, and makes the item pass, fail, skip or xfail."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from harness.isolation.supervisor import Supervisor
from harness.pytest_plugin.context import CONTEXT, RunContext
from harness.pytest_plugin.findings import NonConformanceError, reason_of
from harness.records import JOURNALS, SCRATCH, CellId, CellReport, Outcome

PROPERTY = "conformance"


@pytest.fixture(scope="session")
def conformance_supervisor(pytestconfig: pytest.Config) -> Iterator[Supervisor]:
    """Yield the supervisor of the judge process; the first cell that is judged starts the judge."""
    context = pytestconfig.stash[CONTEXT]
    with _judging_folder(context) as folder:
        scratch = folder / SCRATCH / f"{context.process}-{os.getpid()}"
        journals = folder / JOURNALS / context.session_id
        supervisor = Supervisor(
            context.judge_setup(journals),
            context.limits,
            scratch=scratch,
            expectations=context.expectations,
        )
        yield supervisor
        supervisor.close()


@contextlib.contextmanager
def _judging_folder(context: RunContext) -> Iterator[Path]:
    """Yield the folder of journals and of files that cells write, a temporary one if need be."""
    if context.shares_run_folder:
        yield context.run_directory
        return
    with tempfile.TemporaryDirectory(prefix="onnx-conformance-") as folder:
        yield Path(folder)


@pytest.fixture
def assert_conforms(
    request: pytest.FixtureRequest, conformance_supervisor: Supervisor
) -> Callable[[CellId], None]:
    """Return a function that judges a cell and fails, xfails or skips the item accordingly."""
    context = request.config.stash[CONTEXT]

    def conform(cell: CellId) -> None:
        judged = conformance_supervisor.run_cell(context.job_of(cell))
        # The controller reads the journals, or gets them from another machine.
        journals = () if context.shares_run_folder else judged.journals
        # One JSON string: xdist aborts a whole run over a property of another type.
        report_data = {"journals": journals, "notice": judged.notice, "peak": judged.peak}
        request.node.user_properties.append((PROPERTY, json.dumps(report_data)))
        print(judged.output, end="")  # noqa: T201 - pytest shows it with a failure
        report = CellReport(cell, tuple(judged.records[name] for name in context.plan[cell]))
        raise_unless_passed(report, runxfail=request.config.option.runxfail)

    return conform


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
