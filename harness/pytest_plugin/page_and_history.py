"""Writes the page of a run that has ended, and adds the run to the history.

An error here is reported in one line, so that it does not hide the verdict of the run.
"""

from __future__ import annotations

from pathlib import Path

from harness.records import Run, read_run

HISTORY = "history.sqlite"
"""File in the parent folder of the run folder: all runs in one folder share a history."""


def write_page_and_history(directory: Path) -> str:
    """Write the page and extend the history. Return one line: the page's path, and any problem."""
    run = read_run(directory)
    page = f"page: {_write_page(run, directory)}"
    # A shard is not added: the merged run will be.
    problem = None if run.header.shard else _add_to_history(run, directory)
    return f"{page}; history: {problem}" if problem else page


def _write_page(run: Run, directory: Path) -> str:
    try:
        from reports.html import write_page

        return str(write_page(run, directory))
    except Exception as error:
        return f"not written ({error!r}); try python -m reports html {directory}"


def _add_to_history(run: Run, directory: Path) -> str | None:
    """Add a run to the history. Return why that failed, or None."""
    history = directory.parent / HISTORY
    try:
        from reports.history import open_history

        with open_history(history, writable=True) as opened:
            opened.add(run)
    except Exception as error:
        return f"not written ({error}); try python -m reports trend {history} {directory}"
    return None
