"""The one sentence about a run that stands above everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.records import CellReport, Footer, Outcome, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The sentence above everything else; `level` is `incomplete`, `red` or `green`."""

    level: str
    headline: str
    sentence: str


def verdict_of(run: Run, reports: Sequence[CellReport]) -> Verdict:
    """The verdict on `run`, whose reports are `reports`."""
    footer, missing = run.footer, unjudged(reports)
    if footer is None or not footer.complete or missing:
        headline = "Interrupted run" if footer is None else "Incomplete run"
        why = f"{missing:,} planned records have no verdict and read “not run”."
        if not missing:
            why = "Every record is here, but it did not end, or a shard is missing."
        sentence = f"{why} An incomplete run is never green, whatever the matrix shows."
        return Verdict(level="incomplete", headline=headline, sentence=sentence)
    if outside := len(run.unplanned):
        sentence = (
            f"{outside:,} records are of pairs that its header does not plan, and are not shown: "
            "this is not the run that it says, and never green."
        )
        return Verdict(level="incomplete", headline="Incomplete plan", sentence=sentence)
    if not reports:
        return Verdict(level="red", headline="Nothing planned", sentence="The plan has no cell.")
    return _complete(reports, footer)


def lack_of(run: Run) -> str:
    """Why a run is not whole; empty where it is."""
    found = verdict_of(run, run.reports())
    return f"{found.headline}. {found.sentence}" if found.level == "incomplete" else ""


def unjudged(reports: Sequence[CellReport]) -> int:
    """How many planned records have no verdict, whether they are written or missing."""
    records = (record for report in reports for record in report.records)
    return sum(record.outcome is Outcome.NOT_RUN for record in records)


def _complete(reports: Sequence[CellReport], footer: Footer) -> Verdict:
    expected = sum(report.expected for report in reports)
    counted = f"{expected:,} of {len(reports):,} planned cells ended as expected"
    if expected == len(reports) and footer.exit_status == 0:
        return Verdict(level="green", headline="Complete, as expected", sentence=f"{counted}.")
    sentence = f"{counted}; the run ended with status {footer.exit_status}."
    return Verdict(level="red", headline="Not as expected", sentence=sentence)
