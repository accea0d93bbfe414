"""The judge: a child process that judges the requested cells until the parent closes the channel.

`harness.isolation.supervised.SupervisedJudge` starts it. It writes each record to its own journal
as soon as the record is known. After each cell it sends one reply over the channel.
"""

from __future__ import annotations

import contextlib
import dataclasses
import faulthandler
import os
import resource
import signal
import socket
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from harness.isolation.garbage import GarbageCollector
from harness.isolation.global_state import State, differences, snapshot
from harness.isolation.journal import Journal, journal_path
from harness.isolation.process_tree import die_with_parent, raise_oom_score
from harness.isolation.setup import STACK_SIGNAL, Ready, Reply, Request, Setup
from harness.judge.profiles import Profile, get_profile
from harness.judge.shared_work import SharedWork
from harness.matrix.expectation_checks import load_expectations
from harness.matrix.expectation_files import committed_folders
from harness.matrix.expectations import Expectations
from harness.matrix.registry import read_registry
from harness.records import CellId, Outcome, Record, dump_line


def main(setup_text: str, channel_descriptor: int, parent: int) -> None:
    """Answer requests until the parent, whose process id is `parent`, closes the channel."""
    die_with_parent(parent)
    raise_oom_score()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor handles it and ends its judges
    # A copy of descriptor 2: exporters redirect 1 and 2 while they work.
    stacks = os.fdopen(os.dup(2), "w")
    faulthandler.enable(stacks)
    faulthandler.register(STACK_SIGNAL, stacks, all_threads=True)
    warnings.simplefilter("ignore")  # exporters warn about every model they trace
    channel = socket.socket(fileno=channel_descriptor)
    with channel, channel.makefile("r", encoding="utf-8") as requests:
        server = _CellServer(Setup.load(setup_text))
        channel.sendall(server.prepare().dump().encode() + b"\n")
        for line in requests:
            channel.sendall(server.serve(Request.load(line)).dump().encode() + b"\n")


class _CellServer:
    """Judges the requested cells with the settings of one run."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._state: State | None = None
        self._garbage = GarbageCollector()

    def prepare(self) -> Ready:
        """Import config modules and the judge, and create the journal."""
        from harness import judge
        from harness.configs.config_modules import load_config_modules

        load_config_modules(self._setup.config_modules)
        judge.warm_up()
        return Ready(journal=str(self._journal.path))

    @cached_property
    def _journal(self) -> Journal:
        setup = self._setup
        return Journal(journal_path(setup.journal_folder, setup.process), setup.process)

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
        raw: list[str] = []
        with _inside(Path(request.folder)):
            before = snapshot(code_of=self._state)  # only judging runs third-party code
            try:
                self._judge_cell(request, raw)
            except BaseException as error:  # an exporter may call sys.exit
                got, trace = f"{error!r} from the judge", traceback.format_exc()
            self._state = snapshot()
            changed = differences(before, self._state)
        self._garbage.collect()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return Reply(got=got, traceback=trace, changed=changed, peak=peak * 1024, raw=raw)

    def _judge_cell(self, request: Request, raw: list[str]) -> None:
        """Judge a cell and write each record to the journal as soon as it is known.

        Appends to `raw` each record without expectations applied, except errored ones.
        """
        from harness.judge import judge_cell

        cell = CellId.parse(request.cell)
        known = set(request.known)

        def keep(record: Record) -> None:
            if record.requirement not in known:
                known.add(record.requirement)
                written = self._journal.record(self._expectations.apply(record))
                if written.outcome is not Outcome.ERRORED:
                    raw.append(dump_line(record))

        self._journal.start(cell)
        report = judge_cell(
            cell,
            requirements=request.requirements,
            profile=self._profile,
            seed=request.seed,
            on_record=keep,
            work=self._work,
            expected=self._expectations.expected_to_fail(cell, request.requirements),
        )
        for record in report.records:
            keep(record)


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
