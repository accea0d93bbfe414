"""The last lines of a run: a table by modality, where the files are, the worst cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.isolation.limits import show_size
from harness.records import RUN_FILE, Run
from reports.tally import modality_of, rows, tally, unexpected
from reports.verdict import unjudged

SHOWN_CELLS = 10


def summary_lines(run: Run, directory: Path) -> Iterator[str]:
    """What the terminal shows of `run`, whose file is in `directory`."""
    reports = run.reports()
    counts = tally(reports, lambda cell: modality_of(run.header, cell))
    bad = unexpected(reports)
    yield from _aligned(rows(counts, title="modality"))
    yield f"{len(reports) - len(bad)} of {len(reports)} cells ended as expected"
    for report in bad[:SHOWN_CELLS]:
        yield f"{report.cell} {report.outcome}: {report.worst.headline}"
    if len(bad) > SHOWN_CELLS:
        yield f"... and {len(bad) - SHOWN_CELLS} more, see the page"
    if missing := unjudged(reports):
        yield f"incomplete: {missing} planned records were not run"
    yield f"run file: {directory / RUN_FILE}"


def process_lines(notices: Sequence[str], peak: int) -> Iterator[str]:
    """What is to be known of the processes that judged: which were replaced, and their memory."""
    yield from notices[:SHOWN_CELLS]
    if len(notices) > SHOWN_CELLS:
        yield f"... and {len(notices) - SHOWN_CELLS} more judges were replaced"
    if peak:
        yield f"most memory of a judge: {show_size(peak)}"


def _aligned(rows: Iterator[Sequence[str]]) -> Iterator[str]:
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for first, *numbers in table:
        cells = (text.rjust(width) for text, width in zip(numbers, widths[1:], strict=True))
        yield "  ".join((first.ljust(widths[0]), *cells))
