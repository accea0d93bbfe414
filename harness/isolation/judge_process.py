"""The judge: a child process that judges the requested cells until the parent closes the channel.

`harness.isolation.supervisor.Supervisor` starts it. It writes each record to its own journal as
soon as the record is known. After each cell it sends one reply over the channel.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import resource
import sys
import tempfile
import traceback
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from harness.isolation.garbage import GarbageCollector
from harness.isolation.global_state import State, differences, snapshot
from harness.isolation.journal import Journal, journal_path
from harness.isolation.setup import Reply, Request, Setup, open_channel
from harness.judge.profiles import Profile, get_profile
from harness.judge.shared_work import SharedWork
from harness.matrix.expectation_checks import load_expectations
from harness.matrix.expectation_files import committed_folders
from harness.matrix.expectations import Expectations
from harness.matrix.registry import read_registry
from harness.matrix.results import ResultStore, StoredResult
from harness.records import CellId, Outcome, Record


def main(setup_text: str, channel_descriptor: int, parent: int) -> None:
    """Answer requests until the parent, whose process id is `parent`, closes the channel."""
    channel = open_channel(channel_descriptor, parent)
    with channel, channel.makefile("r", encoding="utf-8") as requests:
        server = _CellServer(Setup.load(setup_text))
        server.prepare()
        channel.sendall(Reply().dump().encode() + b"\n")
        for line in requests:
            channel.sendall(server.serve(Request.load(line)).dump().encode() + b"\n")


class _CellServer:
    """Judges the requested cells with the settings of one run."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._state: State | None = None
        self._garbage = GarbageCollector()

    def prepare(self) -> None:
        """Import config modules and the judge."""
        from harness import judge
        from harness.configs.config_modules import load_config_modules

        load_config_modules(self._setup.config_modules)
        judge.warm_up()

    @cached_property
    def _journal(self) -> Journal:
        setup = self._setup
        path = journal_path(setup.journal_folder, setup.process)
        return Journal(path, setup.process, self._expectations)

    @cached_property
    def _expectations(self) -> Expectations:
        given = self._setup.expectations
        places = committed_folders() if given is None else tuple(map(Path, given))
        return load_expectations(places, read_registry())

    @cached_property
    def _work(self) -> SharedWork:
        """Work that the cells of this process share: cells of one task arrive in a row."""
        return SharedWork()

    @cached_property
    def _profile(self) -> Profile:
        profile = get_profile(self._setup.profile)
        return dataclasses.replace(profile, max_examples=self._setup.max_examples)

    def serve(self, request: Request) -> Reply:
        """Judge one cell and return the reply, also if judging raises any exception."""
        got, trace = None, None
        cell = CellId.parse(request.cell)
        records = _CellRecords(cell, request, self._setup, self._journal)
        with _inside(Path(request.folder)):
            before = snapshot(code_of=self._state)  # only judging runs third-party code
            try:
                from harness.judge import judge_cell

                self._journal.start(cell)
                report = judge_cell(
                    cell,
                    requirements=request.requirements,
                    profile=self._profile,
                    seed=request.seed,
                    on_record=records.keep,
                    work=self._work,
                    expected=self._expectations.expected_to_fail(cell, request.requirements),
                )
                for record in report.records:
                    records.keep(record)
            except BaseException as error:  # an exporter may call sys.exit
                got, trace = f"{error!r} from the judge", traceback.format_exc()
            self._state = snapshot()
            changed = differences(before, self._state)
        records.store()
        self._garbage.collect()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return Reply(got=got, traceback=trace, changed=changed, peak=peak * 1024)


class _CellRecords:
    """Writes the records of one cell to the journal, and offers them for later reuse."""

    def __init__(self, cell: CellId, request: Request, setup: Setup, journal: Journal) -> None:
        self._cell = cell
        self._request = request
        self._setup = setup
        self._journal = journal
        self._written = set(request.known)
        self._verdicts: list[Record] = []

    def keep(self, record: Record) -> None:
        """Write a record, unless its requirement has one.

        A record that is not as the stored one, although nothing has changed, becomes `errored`.
        """
        if record.requirement in self._written:
            return
        self._written.add(record.requirement)
        checked = self._stored.check(record) if self._stored else record
        if checked is not record and self._setup.has_fingerprint(self._request):
            record = checked
        if self._journal.record(record).outcome is not Outcome.ERRORED:
            self._verdicts.append(record)

    def store(self) -> None:
        """Put the records in the cell's folder if each is a verdict; the supervisor stores them."""
        result = StoredResult.of(self._setup.run, self._verdicts, self._request.requirements)
        if result and self._request.fingerprint:
            ResultStore(Path(self._request.folder)).write(self._request.fingerprint, result)

    @cached_property
    def _stored(self) -> StoredResult | None:
        request = self._request
        if request.fingerprint is None or not request.is_verified:
            return None
        return ResultStore().read(request.fingerprint, self._cell, request.requirements)


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Use `folder`, which the supervisor removes, as working and temporary directory."""
    home = Path.cwd()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        os.chdir(home)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
