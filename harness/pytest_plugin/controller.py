"""Keeps the run file and says, in the end, whether every planned pair ended as expected."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from harness.isolation.family import kill_all, of_run
from harness.pytest_plugin import options
from harness.pytest_plugin.collection import cell_of, reaches_suite
from harness.pytest_plugin.context import WORKER_INPUT, RunContext, usage_errors
from harness.pytest_plugin.ending import crash_records, ending_records
from harness.pytest_plugin.findings import NonConformanceError, reason_of
from harness.pytest_plugin.keeping import keep
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
"""What pytest lists at the end unless -r says otherwise."""


class Controller:
    """The process that the user started. Under xdist it judges nothing itself."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._resolved = False
        self._run: RunFile | None = None
        self._finished: set[CellId] = set()
        self._replaced = 0
        self._peak = 0
        self._progress: ProgressLines | None = None
        self._session: pytest.Session | None = None
        self._kept = ""
        self._refusal: str | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._session = session
        config = session.config
        given = config.invocation_params
        config.invocation_params = pytest.Config.InvocationParams(
            args=options.join_values(map(str, given.args)), plugins=given.plugins, dir=given.dir
        )  # what workers are started with
        if reaches_suite(config):
            self._context.resolve()
            self._resolved = True

    def pytest_report_header(self) -> list[str]:
        if not self._resolved:
            return []
        context = self._context
        return [
            f"conformance: profile {context.profile.name}, seed {context.seed}, "
            f"run folder {context.run_directory}",
            *context.planned.notes,
            *(context.reuse.notes if context.reuse is not None else ()),
        ]

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: WorkerController) -> None:
        workerinput: dict[str, Any] = node.workerinput
        workerinput[WORKER_INPUT] = self._context.for_worker()

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
            self._open(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self._open(ids)

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        cell = cell_of(crashitem)
        if self._run is None or cell is None:
            return
        with self._writing():
            self._run.absorb_journals()
            for record in crash_records(self._run, cell, self._context):
                self._run.add(record)
        _settle_crash(report, NonConformanceError(self._run.report(cell)))
        self._finish(cell, report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._stop_workers()
        cell = cell_of(report.nodeid)
        if self._run is None or cell is None or report.when != "call":
            return
        self._finish(cell, report)
        for name, value in report.user_properties:
            if name == PROPERTY:
                told = json.loads(str(value))
                with self._writing():
                    self._run.add_texts(told["lines"], source=report.nodeid)
                    if told["notice"]:
                        self._run.note(told["notice"])
                self._peak = max(self._peak, told["peak"])
                self._replaced += bool(told["notice"])

    # Last, when xdist has ended its workers and no journal grows any more.
    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self._run is None:
            return
        # Of workers that were killed, also in an earlier life of this run.
        kill_all(of_run(str(self._run.directory)))
        if self._refusal is not None:
            self._run.close()
            return
        interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
        with usage_errors(), self._writing():
            self._run.absorb_journals()
            for record in ending_records(
                self._run, self._context, finished=self._finished, interrupted=interrupted
            ):
                self._run.add(record)
            is_bad = bool(self._run.planned) and not is_green(self._run.reports())
            if exitstatus == pytest.ExitCode.OK and is_bad:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
            status = int(session.exitstatus)
            footer = make_footer(self._run.reports(), exit_status=status, ended=now())
            self._run.finish(footer)
        self._kept = keep(self._run.directory)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._run is None:
            return
        shown = terminalreporter.config.option.reportchars
        if self._context.planned.is_gate and shown == SHORT_SUMMARY:
            terminalreporter.reportchars = ""  # a second list of what failed, without an end
        terminalreporter.write_sep("=", "conformance")
        if self._refusal is not None:
            terminalreporter.write_line(self._refusal)
            return
        if not self._run.planned:
            terminalreporter.write_line(self._context.planned.why_empty)
        for line in summary_lines(read_run(self._run.directory), self._run.directory):
            terminalreporter.write_line(line)
        directory = self._run.directory
        for line in process_lines(directory, replaced=self._replaced, peak=self._peak):
            terminalreporter.write_line(line)
        terminalreporter.write_line(self._kept)

    def _finish(self, cell: CellId, report: pytest.TestReport) -> None:
        self._finished.add(cell)
        if self._progress is not None:
            self._progress.end(cell, as_expected=not report.failed)

    def _stop_workers(self) -> None:
        """Stop at --maxfail for a crash too, which xdist does not count, and pytest does."""
        session = self._session
        workers = session and session.config.pluginmanager.get_plugin("dsession")
        if session and workers and not workers.shouldstop:
            workers.shouldstop = session.shouldfail

    def _open(self, nodeids: Iterable[str]) -> None:
        """Open the run file over the collected cells; replacements of dead workers collect too."""
        cells = [cell for nodeid in nodeids if (cell := cell_of(nodeid)) is not None]
        # Also where no cell is left: of an empty plan, of a run killed just before its footer.
        nothing_to_judge = self._resolved and not self._context.plan
        if self._run is not None or not (cells or nothing_to_judge):
            return
        resumed = self._context.resumed
        header = make_header(self._context, cells) if resumed is None else resumed.run.header
        directory = self._context.run_directory
        try:
            with usage_errors():
                self._run = RunFile(directory, header, resumed=resumed)
            self._context.journals.mkdir()  # by which workers know that they share this folder
        except OSError as error:
            raise pytest.UsageError(
                f"{options.RUN_DIR.flag} {directory}: cannot be written ({error.strerror}); "
                "give a new folder"
            ) from error
        config = self._context.config
        reuse = self._context.reuse
        progress = Progress(
            cells,
            self._context.durations,
            workers=worker_count(config),
            free=reuse.reused if reuse else frozenset(),
        )
        self._progress = ProgressLines(progress, config)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """End the run, once and in one line, where the run file can no longer be written."""
        try:
            yield
        except OSError as error:
            self._refusal = (
                f"{self._context.run_directory}: cannot be written ({error.strerror}); make room, "
                f"then go on with {options.RESUME.flag}={self._context.run_directory}"
            )
            pytest.exit(self._refusal, returncode=pytest.ExitCode.INTERNAL_ERROR)


def _settle_crash(report: pytest.TestReport, finding: NonConformanceError) -> None:
    """Give xdist's report of a crash our findings; an expected crash is xfailed."""
    report.longrepr = str(finding)
    if finding.report.expected:
        report.outcome = "skipped"
        report.wasxfail = reason_of(finding.report, Outcome.XFAILED)
