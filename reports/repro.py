"""Standalone scripts that show a defect without the harness: their paths, and the command that
writes one."""

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
    """Return the path of a cell's script, relative to its run; no two cells share a path.

    A plus joins the parts of the cell id; within a part, a plus is escaped.
    """
    return f"{FOLDER}/{'+'.join(file_part(part) for part in str(cell).split('/'))}.py"


def command_of(record: Record) -> str | None:
    """Return the command that writes a standalone script for a failed record.

    None if the record shows no defect, or if its replay command is not `harness replay`.
    """
    if record.outcome not in _DEFECTS or not (record.replay or "").startswith(_REPLAY):
        return None
    rest = (record.replay or "").removeprefix(_REPLAY)
    return f"{_REPRO}{rest} -o {shlex.quote(script_path(record.cell))}"


def scripts_in(run: Run, directory: Path) -> Iterator[tuple[str, Path]]:
    """Yield the relative path and the file of each planned cell's script in a run's directory."""
    if not (directory / FOLDER).is_dir():
        return
    for cell in run.header.planned:
        name = script_path(CellId.parse(cell))
        path = directory / name
        if path.is_file() and not path.is_symlink():
            yield name, path
