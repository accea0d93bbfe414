"""Messages between the supervisor and its judge: the start settings, requests and replies."""

from __future__ import annotations

import dataclasses
import json
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

STACK_SIGNAL = signal.SIGUSR1
"""On this signal a judge prints the stacks of its threads, also while native code runs."""


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

    `expectations` are folders or files of known failures, None for the committed ones. `process`
    is the name in `started` lines, and `journals` the folder for the judge's journal. `mark`
    identifies the judge and all processes that it starts: it is set in their environment. `parent`
    is the process id of the supervisor's parent: if that parent ends, the supervisor ends too. It
    does not check this if `parent` is None.
    """

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Message):
    """Message that asks the judge process to judge one cell.

    `known` are requirements that have a record from an earlier run: the judge runs them again, but
    writes no second record. `folder` is the cell's working directory.
    """

    cell: str
    requirements: list[str]
    known: list[str]
    seed: int
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready(Message):
    """The judge has finished its imports and waits for cells; it writes records to `journal`."""

    journal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply(Message):
    """The judge has finished a cell.

    `got` describes the exception that stopped judging, None if it finished, and `traceback` is its
    traceback. `changed` lists the global state that the cell changed. `peak` is the judge's largest
    memory so far in bytes. `raw` has the lines of the cell's records before expectations were
    applied.
    """

    got: str | None
    traceback: str | None
    changed: list[str]
    peak: int
    raw: list[str]
