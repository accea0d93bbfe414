"""Scripts that show a defect without the harness: the command that writes one, and those that lie
beside a run already."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from harness.records import CellId, Outcome, Record, Run
from reports.text import file_part

FOLDER = "repro"
_REPLAY, _REPRO = "python -m harness replay ", "python -m harness repro "
_DEFECTS = {Outcome.FAILED, Outcome.XFAILED, Outcome.CRASHED, Outcome.TIMED_OUT}


def script_path(cell: CellId) -> str:
    """Where the script of a cell lies, seen from its run: one for each cell, whatever it is called.

    The parts of the name hold no plus of their own.
    """
    return f"{FOLDER}/{'+'.join(file_part(part) for part in str(cell).split('/'))}.py"


def command_of(record: Record) -> str | None:
    """What writes the script that shows what the replay command shows; None where nothing failed,
    or where a run of another kind says how to judge it again."""
    if record.outcome not in _DEFECTS or not (record.replay or "").startswith(_REPLAY):
        return None
    rest = (record.replay or "").removeprefix(_REPLAY)
    return f"{_REPRO}{rest} -o {shlex.quote(script_path(record.cell))}"


def scripts_beside(run: Run, directory: Path) -> Iterator[tuple[str, Path]]:
    """The path within the run, and the file, of each planned cell's script that is there."""
    if not (directory / FOLDER).is_dir():
        return
    for cell in run.header.planned:
        name = script_path(CellId.parse(cell))
        path = directory / name
        if path.is_file() and not path.is_symlink():
            yield name, path
