"""The status of a whole run: its footer, and whether it is green."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.records.cell_report import CellReport
from harness.records.lines import Footer
from harness.records.outcomes import Outcome


def make_footer(
    reports: Sequence[CellReport], *, exit_status: int, ended: str | None = None
) -> Footer:
    """Return the footer: counts by outcome, and `complete` if no planned record is `not_run`."""
    counts = Counter(record.outcome for report in reports for record in report.records)
    return Footer(
        counts={str(outcome): counts[outcome] for outcome in Outcome if counts[outcome]},
        exit_status=exit_status,
        complete=not counts[Outcome.NOT_RUN],
        ended=ended,
    )


def is_green(reports: Sequence[CellReport]) -> bool:
    """Return whether at least one cell was planned and all cells ended as expected."""
    return bool(reports) and all(report.expected for report in reports)
