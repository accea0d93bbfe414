"""The verdict on a whole run, which every report shows first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.records import CellReport, Footer, Outcome, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A headline and a sentence about a run; `level` is `incomplete`, `red` or `green`."""

    level: str
    headline: str
    sentence: str


def verdict_of(run: Run, reports: Sequence[CellReport]) -> Verdict:
    """Return the verdict on `run`; `reports` are its reports."""
    footer, missing = run.footer, unjudged(reports)
    if footer is None or not footer.complete or missing:
        headline = "Interrupted run" if footer is None else "Incomplete run"
        why = f"{missing:,} planned records have no verdict and are shown as “not run”."
        if not missing:
            why = (
                "Every planned record has a verdict, but the run did not end or a shard is missing."
            )
        sentence = f"{why} An incomplete run is never green, whatever the matrix shows."
        return Verdict(level="incomplete", headline=headline, sentence=sentence)
    if outside := len(run.unplanned):
        sentence = (
            f"{outside:,} records belong to pairs that the run's header does not plan; they are "
            "not shown. Plan and records contradict each other, so the run is never green."
        )
        return Verdict(level="incomplete", headline="Incomplete plan", sentence=sentence)
    if not reports:
        return Verdict(level="red", headline="Nothing planned", sentence="The plan has no cells.")
    return _complete(reports, footer)


def why_incomplete(run: Run) -> str:
    """Return why a run is incomplete, or an empty text if it is complete."""
    found = verdict_of(run, run.reports())
    return f"{found.headline}. {found.sentence}" if found.level == "incomplete" else ""


def unjudged(reports: Sequence[CellReport]) -> int:
    """Return the number of planned records without a verdict, written as `not_run` or missing."""
    records = (record for report in reports for record in report.records)
    return sum(record.outcome is Outcome.NOT_RUN for record in records)


def _complete(reports: Sequence[CellReport], footer: Footer) -> Verdict:
    expected = sum(report.expected for report in reports)
    counted = f"{expected:,} of {len(reports):,} planned cells ended as expected"
    if expected == len(reports) and footer.exit_status == 0:
        return Verdict(level="green", headline="Complete, as expected", sentence=f"{counted}.")
    sentence = f"{counted}; the run ended with status {footer.exit_status}."
    return Verdict(level="red", headline="Not as expected", sentence=sentence)
