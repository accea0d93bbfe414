"""Writes the run file, and sets the exit status: whether all planned cells ended as expected."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from harness.isolation.process_tree import kill_all, processes_of_run
from harness.pytest_plugin import options
from harness.pytest_plugin.collection import cell_of, targets_suite
from harness.pytest_plugin.context import WORKER_INPUT, RunContext, usage_errors
from harness.pytest_plugin.ending import crash_records, missing_records
from harness.pytest_plugin.findings import NonConformanceError, reason_of
from harness.pytest_plugin.page_and_history import write_page_and_history
from harness.pytest_plugin.progress import Progress, ProgressLines, worker_count
from harness.pytest_plugin.provenance import make_header, now
from harness.pytest_plugin.run_file import RunFile
from harness.pytest_plugin.runner import PROPERTY
from harness.pytest_plugin.summary import process_lines, summary_lines
from harness.pytest_plugin.worker import REFUSAL
from harness.records import CellId, Outcome, is_green, make_footer, read_run

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController


SHORT_SUMMARY = "fE"
"""Outcomes that pytest lists at its end by default: failures and errors."""


class Controller:
    """Plug-in of the process that the user started. Under xdist it judges no cell itself."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._resolved = False
        self._run: RunFile | None = None
        self._finished: set[CellId] = set()
        self._replaced = 0
        self._peak = 0
        self._progress: ProgressLines | None = None
        self._session: pytest.Session | None = None
        self._page_line = ""
        self._write_error: str | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._session = session
        config = session.config
        given = config.invocation_params
        config.invocation_params = pytest.Config.InvocationParams(
            args=options.join_values(map(str, given.args)), plugins=given.plugins, dir=given.dir
        )  # xdist starts workers with these arguments
        if targets_suite(config):
            self._context.resolve()
            self._resolved = True

    def pytest_report_header(self) -> list[str]:
        if not self._resolved:
            return []
        context = self._context
        return [
            f"conformance: profile {context.profile.name}, seed {context.seed}, "
            f"run folder {context.run_directory}",
            *context.run_plan.notes,
            *(context.reuse_plan.notes if context.reuse_plan is not None else ()),
        ]

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: WorkerController) -> None:
        workerinput: dict[str, Any] = node.workerinput
        workerinput[WORKER_INPUT] = self._context.dump_for_worker()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: WorkerController) -> None:
        refusal = getattr(node, "workeroutput", {}).get(REFUSAL)
        if refusal is not None:
            if self._run is not None:
                self._run.close()
                self._run = None
            raise pytest.UsageError(refusal)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if not session.config.option.collectonly:
            self._open_run_file(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self._open_run_file(ids)

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        cell = cell_of(crashitem)
        if self._run is None or cell is None:
            return
        with self._exit_on_write_error():
            self._run.merge_journals()
            self._run.record_all(crash_records(self._run, cell))
        _show_crash(report, NonConformanceError(self._run.report(cell)))
        self._count_finished(cell, report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._apply_maxfail_to_workers()
        cell = cell_of(report.nodeid)
        if self._run is None or cell is None or report.when != "call":
            return
        self._count_finished(cell, report)
        for name, value in report.user_properties:
            if name == PROPERTY:
                report_data = json.loads(str(value))
                with self._exit_on_write_error():
                    self._run.merge_journals(report_data["journals"])
                    if report_data["notice"]:
                        self._run.log_notice(report_data["notice"])
                self._peak = max(self._peak, report_data["peak"])
                self._replaced += bool(report_data["notice"])

    # Last, when xdist has ended its workers and no journal grows any more.
    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self._run is None:
            return
        # Judges of workers that were killed, also in an earlier call that this one resumes.
        kill_all(processes_of_run(str(self._run.directory)))
        if self._write_error is not None:
            self._run.close()
            return
        interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
        with usage_errors(), self._exit_on_write_error():
            self._run.merge_journals()
            self._run.record_all(
                missing_records(self._run, finished=self._finished, interrupted=interrupted)
            )
            is_bad = bool(self._run.planned) and not is_green(self._run.reports())
            if exitstatus == pytest.ExitCode.OK and is_bad:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
            status = int(session.exitstatus)
            footer = make_footer(self._run.reports(), exit_status=status, ended=now())
            self._run.finish(footer)
        self._page_line = write_page_and_history(self._run.directory)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._run is None:
            return
        shown = terminalreporter.config.option.reportchars
        if self._context.run_plan.is_gate and shown == SHORT_SUMMARY:
            terminalreporter.reportchars = ""  # it would list all failures again, at any length
        terminalreporter.write_sep("=", "conformance")
        if self._write_error is not None:
            terminalreporter.write_line(self._write_error)
            return
        if not self._run.planned:
            terminalreporter.write_line(self._context.run_plan.why_empty)
        for line in summary_lines(read_run(self._run.directory), self._run.directory):
            terminalreporter.write_line(line)
        directory = self._run.directory
        for line in process_lines(directory, replaced=self._replaced, peak=self._peak):
            terminalreporter.write_line(line)
        terminalreporter.write_line(self._page_line)

    def _count_finished(self, cell: CellId, report: pytest.TestReport) -> None:
        self._finished.add(cell)
        if self._progress is not None:
            self._progress.end(cell, as_expected=not report.failed)

    def _apply_maxfail_to_workers(self) -> None:
        """Stop workers at --maxfail if crashes count: pytest counts them, xdist does not."""
        session = self._session
        workers = session and session.config.pluginmanager.get_plugin("dsession")
        if session and workers and not workers.shouldstop:
            workers.shouldstop = session.shouldfail

    def _open_run_file(self, nodeids: Iterable[str]) -> None:
        """Open the run file for the collected cells, unless it is open.

        It can be open already, since a worker that replaces a dead one collects again.
        """
        cells = [cell for nodeid in nodeids if (cell := cell_of(nodeid)) is not None]
        # A run file is written without cells too: for an empty plan, and for a resumed run that
        # was killed just before its footer.
        nothing_to_judge = self._resolved and not self._context.plan
        if self._run is not None or not (cells or nothing_to_judge):
            return
        resumed = self._context.resumed
        header = make_header(self._context, cells) if resumed is None else resumed.run.header
        directory = self._context.run_directory
        try:
            with usage_errors():
                self._run = RunFile(
                    self._context.journals, header, self._context.expectations, resumed=resumed
                )
        except OSError as error:
            raise pytest.UsageError(
                f"{options.RUN_DIR.flag} {directory}: cannot be written ({error.strerror}); "
                "give a new folder"
            ) from error
        config = self._context.config
        reuse = self._context.reuse_plan
        progress = Progress(
            cells,
            self._context.durations,
            workers=worker_count(config),
            reused=reuse.reused if reuse else frozenset(),
        )
        self._progress = ProgressLines(progress, config)

    @contextmanager
    def _exit_on_write_error(self) -> Iterator[None]:
        """End the run with one line if the run file cannot be written any more."""
        try:
            yield
        except OSError as error:
            self._write_error = (
                f"{self._context.run_directory}: cannot be written ({error.strerror}); make room, "
                f"then continue with {options.RESUME.flag}={self._context.run_directory}"
            )
            pytest.exit(self._write_error, returncode=pytest.ExitCode.INTERNAL_ERROR)


def _show_crash(report: pytest.TestReport, finding: NonConformanceError) -> None:
    """Put the findings of the cell into xdist's report of a crash; an expected crash is xfailed."""
    report.longrepr = str(finding)
    if finding.report.expected:
        report.outcome = "skipped"
        report.wasxfail = reason_of(finding.report, Outcome.XFAILED)
