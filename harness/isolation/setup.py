"""Messages between the supervisor and its judge, and the start of a process that judges."""

from __future__ import annotations

import dataclasses
import faulthandler
import json
import os
import signal
import socket
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from harness.isolation.process_tree import die_with_parent, raise_oom_score
from harness.matrix.fingerprint import Fingerprints
from harness.records import CellId

STACK_SIGNAL = signal.SIGUSR1
"""On this signal a judge prints the stacks of its threads, also while native code runs."""


def open_channel(descriptor: int, parent: int) -> socket.socket:
    """Prepare this process for judging, and return its channel to the process `parent`."""
    die_with_parent(parent)
    raise_oom_score()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles it and ends its judges
    # A copy of descriptor 2: exporters redirect 1 and 2 while they work.
    stacks = os.fdopen(os.dup(2), "w")
    faulthandler.enable(stacks)
    faulthandler.register(STACK_SIGNAL, stacks, all_threads=True)
    warnings.simplefilter("ignore")  # exporters warn about every model they trace
    return socket.socket(fileno=descriptor)


@dataclass(frozen=True, slots=True)
class Message:
    """A message to another process, sent as one line of JSON."""

    def dump(self) -> str:
        return json.dumps({f.name: getattr(self, f.name) for f in dataclasses.fields(self)})

    @classmethod
    def load(cls, text: str) -> Self:
        values: dict[str, Any] = json.loads(text)
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup(Message):
    """The settings of a run that a judge and its supervisor need.

    `run` is the name of the run and `seed` its seed. `expectations` are folders or files of known
    failures, None for the committed ones. `process` is the name in `started` lines, and `journals`
    the folder for the journals. `mark` identifies the judge and all processes that it starts: it is
    set in their environment. `parent` is the process id of the supervisor's parent: if that parent
    ends, the supervisor ends too. It does not check this if `parent` is None.
    """

    run: str
    seed: int
    profile: str
    max_examples: int
    process: str
    mark: str
    journals: str
    config_modules: list[str]
    expectations: list[str] | None
    parent: int | None = None

    @property
    def journal_folder(self) -> Path:
        return Path(self.journals)

    def has_fingerprint(self, request: Request) -> bool:
        """Return whether a cell still has its fingerprint of the start of the run.

        If a file changed meanwhile, it is unknown which version was judged.
        """
        now = Fingerprints(max_examples=self.max_examples, seed=self.seed)
        return now.of(CellId.parse(request.cell), request.requirements) == request.fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Message):
    """Message that asks the judge process to judge one cell.

    `known` are requirements that have a record from an earlier run: the judge runs them again, but
    writes no second record. `folder` is the cell's working directory. If `fingerprint` is given,
    the records are stored there without expectations; if `is_verified`, they are first compared
    with the records of an earlier run.
    """

    cell: str
    requirements: list[str]
    known: list[str]
    seed: int
    folder: str
    fingerprint: str | None = None
    is_verified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply(Message):
    """The judge has finished its imports and waits for cells, or it has finished a cell.

    The records are in its journal. `got` describes the exception that stopped judging, None if it
    finished, and `traceback` is its traceback. `changed` lists the global state that the cell
    changed. `peak` is the judge's largest memory so far in bytes.
    """

    got: str | None = None
    traceback: str | None = None
    changed: list[str] = dataclasses.field(default_factory=list)
    peak: int = 0
