"""The last lines of a run: a table by modality, where the files are, the worst cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.isolation.limits import show_size
from harness.records import RUN_FILE, SEVERITY, CellReport, Outcome, Run

SHOWN_CELLS = 10


def summary_lines(run: Run, directory: Path) -> Iterator[str]:
    """What the terminal shows of `run`, whose file is in `directory`."""
    reports = run.reports()
    unexpected = (report for report in reports if not report.expected)
    bad = sorted(unexpected, key=lambda report: SEVERITY[report.outcome])
    yield from _aligned(_table(run, reports))
    yield f"{len(reports) - len(bad)} of {len(reports)} cells ended as expected"
    for report in bad[:SHOWN_CELLS]:
        yield f"{report.cell} {report.outcome}: {report.worst.headline}"
    if len(bad) > SHOWN_CELLS:
        yield f"... and {len(bad) - SHOWN_CELLS} more, see the page"
    if run.footer is not None and not run.footer.complete:
        yield f"incomplete: {run.footer.counts[Outcome.NOT_RUN]} planned records were not run"
    yield f"run file: {directory / RUN_FILE}"


def process_lines(notices: Sequence[str], peak: int) -> Iterator[str]:
    """What is to be known of the processes that judged: which were replaced, and their memory."""
    yield from notices[:SHOWN_CELLS]
    if len(notices) > SHOWN_CELLS:
        yield f"... and {len(notices) - SHOWN_CELLS} more judges were replaced"
    if peak:
        yield f"most memory of a judge: {show_size(peak)}"


def _table(run: Run, reports: Sequence[CellReport]) -> Iterator[Sequence[str]]:
    counts: dict[str, Counter[Outcome]] = {}
    for report in reports:
        modality = run.header.modalities.get(report.cell.architecture, "other")
        counts.setdefault(modality, Counter())[report.outcome] += 1
    total = sum(counts.values(), Counter[Outcome]())
    shown = [outcome for outcome in Outcome if total[outcome]]
    yield ("modality", "cells", *map(str, shown))
    for name, row in (*sorted(counts.items()), ("total", total)):
        yield (name, str(row.total()), *(str(row[outcome]) for outcome in shown))


def _aligned(rows: Iterator[Sequence[str]]) -> Iterator[str]:
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for first, *numbers in table:
        cells = (text.rjust(width) for text, width in zip(numbers, widths[1:], strict=True))
        yield "  ".join((first.ljust(widths[0]), *cells))
