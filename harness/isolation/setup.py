"""What a judge is told when it starts, and what it hears and says of each cell, as JSON."""

from __future__ import annotations

import dataclasses
import json
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

STACK_SIGNAL = signal.SIGUSR1
"""Has a judge print the stacks of its threads, also from within native code."""


@dataclass(frozen=True, slots=True)
class _Message:
    """One that crosses from process to process as a line of JSON."""

    def dump(self) -> str:
        return json.dumps({f.name: getattr(self, f.name) for f in dataclasses.fields(self)})

    @classmethod
    def load(cls, text: str) -> Self:
        values: dict[str, Any] = json.loads(text)
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup(_Message):
    """A run as a judge sees it. `expectations` are files, None for the committed ones.

    `process` is who `started` lines name; `journals` is the folder for the judge's own journal.
    `mark` is by which the judge and what it starts can be told from other processes;
    `parent` is the process without which the supervisor has nothing to do, if there is one.
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
class Request(_Message):
    """Judge a cell; records of the requirements in `known` are there already and not wanted."""

    cell: str
    requirements: list[str]
    known: list[str]
    seed: int
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready(_Message):
    """The judge has imported what it needs and waits for cells; its lines go to `journal`."""

    journal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply(_Message):
    """A cell is done. `got` is what came in place of records, if something did; `changed` is what
    the cell left otherwise than it was; `peak` is the most memory that the judge ever had; `raw`
    are the lines of its records before expectations were applied."""

    got: str | None
    traceback: str | None
    changed: list[str]
    peak: int
    raw: list[str]
