"""The summary at the end of a run: a table by modality, the worst cells, paths of files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.isolation.limits import show_size
from harness.pytest_plugin.run_file import JUDGES_LOG
from harness.records import RUN_FILE, Run
from reports.tally import modality_of, rows, tally, unexpected
from reports.verdict import unjudged

LINES = 20
"""Most lines of the summary, with the title above and the page below it."""

OTHER_LINES = 9
"""Lines other than the table and the cells: title, counts, page, run file, processes."""

SHOWN_CELLS = 10


def summary_lines(run: Run, directory: Path) -> Iterator[str]:
    """Yield the lines that the terminal shows of `run`, whose file is in `directory`."""
    reports = run.reports()
    counts = tally(reports, lambda cell: modality_of(run.header, cell))
    bad = unexpected(reports)
    table = list(_aligned(rows(counts, title="modality")))
    yield from table
    yield f"{len(reports) - len(bad)} of {len(reports)} cells ended as expected"
    room = LINES - len(table) - OTHER_LINES
    shown = max(1, min(SHOWN_CELLS, room))
    for report in bad[:shown]:
        yield f"{report.cell} {report.outcome}: {report.worst.headline}"
    if len(bad) > shown:
        yield f"... and {len(bad) - shown} more, see the page"
    if missing := unjudged(reports):
        yield f"incomplete: {missing} planned records were not run"
    if reused := sum(any(r.reused for r in report.records) for report in reports):
        yield f"reused: {reused} of {len(reports)} cells have the records of earlier runs"
    yield f"run file: {directory / RUN_FILE}"


def process_lines(directory: Path, *, replaced: int, peak: int) -> Iterator[str]:
    """Yield lines about the judge processes: how many were replaced, and their peak memory."""
    if replaced:
        yield f"judges replaced: {replaced}, see {directory / JUDGES_LOG}"
    if peak:
        yield f"peak memory of a judge: {show_size(peak)}"


def _aligned(rows: Iterator[Sequence[str]]) -> Iterator[str]:
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for first, *numbers in table:
        cells = (text.rjust(width) for text, width in zip(numbers, widths[1:], strict=True))
        yield "  ".join((first.ljust(widths[0]), *cells))
