"""Messages between the command line and the child process that judges files for it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.isolation.journal import Journal, journal_path
from harness.isolation.setup import Message
from harness.judge.observer import Observer, Progress
from harness.matrix.expectations import Expectations
from harness.records import CellId, Record, Scope
from harness.records.json_types import from_plain

PROCESS = "files"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRequest(Message):
    """Asks for a verdict on files.

    `place` is a file or folder to judge, or the folder to export to if `exporter` is given.
    `variant` is the label of a variant in a folder; None chooses the plain one.
    `memory` limits the memory of the process in bytes. The records are written to a journal in the
    folder `journals`. The other fields are arguments of `check_files` and `export_and_check`, or of
    their `FileOptions`.
    """

    place: str
    model: str
    task: str
    memory: int
    variant: str | None = None
    opset: int | None = None
    exporter: str | None = None
    requirements: list[str] | None = None
    atol: float | None = None
    allow_domains: list[str] = dataclasses.field(default_factory=list)
    seed: int = 0
    profile: str = "pr"
    max_examples: int | None = None
    budget: float | None = None
    min_top1: float | None = None
    strict_domain: bool = False
    trust_remote_code: bool = False
    config_modules: list[str] = dataclasses.field(default_factory=list)
    journals: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """The last message. `refused` is the message of a UsageError, `raised` any other error as text.

    Both are None if every planned requirement has a record.
    """

    refused: str | None = None
    raised: str | None = None
    traceback: str = ""


class SendingObserver(Observer):
    """Writes records to a journal in the folder `journals`, and sends all else as lines.

    `deliver` reads the lines.
    """

    def __init__(self, send: Callable[[str], object], journals: str) -> None:
        self._send = send
        self._journal = Journal(journal_path(Path(journals), PROCESS), PROCESS, Expectations())

    def plan(self, cell: CellId, requirements: Sequence[str]) -> None:
        self._send_value("plan", {"cell": str(cell), "requirements": list(requirements)})

    def progress(self, progress: Progress) -> None:
        self._send_value("progress", dataclasses.asdict(progress))

    def record(self, record: Record) -> None:
        self._journal.record(record)

    def scope(self, scope: Scope) -> None:
        self._send_value("scope", scope.to_json())

    def end(self, last: Last) -> None:
        """Send the last message."""
        self._send_value("last", dataclasses.asdict(last))

    def _send_value(self, kind: str, value: object) -> None:
        self._send(json.dumps([kind, value]))


def deliver(line: str, observer: Observer) -> Last | None:
    """Pass what a line says to an observer; returns the last message, and None before it."""
    kind: str
    value: Any
    kind, value = json.loads(line)
    match kind:
        case "plan":
            observer.plan(CellId.parse(value["cell"]), value["requirements"])
        case "progress":
            observer.progress(Progress(**value))
        case "scope":
            observer.scope(from_plain(Scope, value))
        case _:
            return Last(**value)
    return None
