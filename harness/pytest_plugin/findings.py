"""Text of the findings of a cell, for failing items, and reasons for xfailed ones."""

from __future__ import annotations

from collections.abc import Iterator

from harness.records import EXPECTED_OUTCOMES, CellReport, Outcome, Record

INDENT = "    "


class NonConformanceError(Exception):
    """A cell did not end as expected. The text is all its findings with their replay commands."""

    def __init__(self, report: CellReport) -> None:
        super().__init__(report)
        self.report = report

    def __str__(self) -> str:
        return "\n".join(_lines(self.report))


def reason_of(report: CellReport, outcome: Outcome) -> str:
    """Return why records have this outcome, each reason once, joined by semicolons."""
    records = [record for record in report.records if record.outcome is outcome]
    reasons = [(record.expectation or {}).get("reason") or record.headline for record in records]
    return "; ".join(dict.fromkeys(map(str, reasons)))


def _lines(report: CellReport) -> Iterator[str]:
    yield f"{report.cell}: {report.outcome}"
    for record in report.records:
        if record.outcome is Outcome.XFAILED:
            yield f"  {record.requirement}: xfailed, as expected: {_reason(record)}"
        elif record.outcome not in EXPECTED_OUTCOMES | {Outcome.SKIPPED}:
            yield from _finding(record)
    skipped = [r.requirement for r in report.records if r.outcome is Outcome.SKIPPED]
    if skipped:
        yield f"  skipped: {', '.join(skipped)}"


def _finding(record: Record) -> Iterator[str]:
    yield f"  {record.requirement}: {record.outcome}"
    yield from (INDENT + line for line in record.message.splitlines())
    if record.outcome is Outcome.ERRORED and record.traceback:
        yield from (INDENT + line for line in record.traceback.splitlines())
    if record.replay:
        yield f"{INDENT}replay: {record.replay}"


def _reason(record: Record) -> str:
    return str((record.expectation or {}).get("reason", ""))
