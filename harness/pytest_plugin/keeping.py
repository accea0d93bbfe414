"""What people read of a run that has ended: its page, and the history that it is added to.

Neither may hide the verdict: what goes wrong here is told in a line.
"""

from __future__ import annotations

from pathlib import Path

from harness.records import Run, read_run

HISTORY = "history.sqlite"
"""Beside the folders of runs: those that have one parent have one history."""


def keep(directory: Path) -> str:
    """Write the page and add to the history; one line says where the page is, and what is not."""
    run = read_run(directory)
    page = f"page: {_write_page(run, directory)}"
    problem = None if run.header.shard else _add_to_history(run, directory)
    return f"{page}; history: {problem}" if problem else page


def _write_page(run: Run, directory: Path) -> str:
    try:
        from reports.html import write_page

        return str(write_page(run, directory))
    except Exception as error:
        return f"not written ({error!r}); try python -m reports html {directory}"


def _add_to_history(run: Run, directory: Path) -> str | None:
    """Why the run could not be added. A shard is part of a run that is merged later."""
    history = directory.parent / HISTORY
    try:
        from reports.history import open_history

        with open_history(history, writable=True) as opened:
            opened.add(run)
    except Exception as error:
        return f"not written ({error}); try python -m reports trend {history} {directory}"
    return None
