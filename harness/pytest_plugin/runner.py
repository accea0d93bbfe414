"""Judges the cell of one item, in the process that runs it, and settles how the item ends."""

from __future__ import annotations

import json
import traceback
import warnings
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

import pytest

from harness.matrix.seeds import cell_seed
from harness.pytest_plugin.completion import rest_of
from harness.pytest_plugin.context import CONTEXT, RunContext
from harness.pytest_plugin.findings import NonConformanceError, reason_of
from harness.records import CellId, CellReport, Outcome, Record, is_expected

PROPERTY = "conformance"


@pytest.fixture
def assert_conforms(request: pytest.FixtureRequest) -> Callable[[CellId], None]:
    """Judge a cell: raises, xfails or skips as its records say."""
    context = request.config.stash[CONTEXT]

    def conform(cell: CellId) -> None:
        report = judge(cell, context)
        # One JSON string: xdist aborts a whole run over a property of another type.
        request.node.user_properties.append((PROPERTY, json.dumps(context.journal.lines)))
        settle(report, runxfail=request.config.option.runxfail)

    return conform


@dataclass(slots=True)
class _Recording:
    """Journals each record as soon as the judge knows it, expectations applied."""

    context: RunContext
    records: dict[str, Record] = field(default_factory=dict)

    def __call__(self, record: Record) -> None:
        if record.requirement not in self.records:
            known = self.context.expectations.apply(record)
            self.records[record.requirement] = self.context.journal.record(known)


def judge(cell: CellId, context: RunContext) -> CellReport:
    """Judge one cell; every planned requirement ends with a journalled record.

    The judge never raises for what a cell does, so an exception, or a requirement that it left
    out, is a defect of the harness and becomes `errored`.
    """
    requirements = context.plan[cell]
    recording = _Recording(context)
    context.journal.start(cell)
    got, trace = "no record from the judge", None
    try:
        for record in _judged(cell, requirements, context, recording):
            recording(record)
    except Exception as error:
        got, trace = f"{error!r} from the judge", traceback.format_exc()
    missing = [name for name in requirements if name not in recording.records]
    for record in rest_of(cell, missing, outcome=Outcome.ERRORED, got=got, traceback=trace):
        recording(record)
    return CellReport(cell, tuple(recording.records[name] for name in requirements))


def _judged(
    cell: CellId, requirements: Sequence[str], context: RunContext, on_record: _Recording
) -> tuple[Record, ...]:
    from harness.judge import judge_cell

    # Exporters warn about every model that they trace; a project may have made warnings errors.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return judge_cell(
            cell,
            requirements=requirements,
            profile=context.profile,
            seed=cell_seed(context.seed, cell),
            on_record=on_record,
        ).records


def settle(report: CellReport, *, runxfail: bool) -> None:
    """End an item: raises NonConformanceError, xfails or skips; returns where the cell passed."""
    outcomes = {record.outcome for record in report.records}
    if not is_expected(outcomes) or (runxfail and Outcome.XFAILED in outcomes):
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
