"""The pages about several runs: what changed between two, and how many went one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.files import write_whole
from reports.diff import CellChange, Diff, Kind
from reports.diff_output import FOLDED, facts_line, verdict
from reports.html import render_template
from reports.page.assets import sheet_of
from reports.page.charts import HEIGHT, WIDTH, charts_of
from reports.page.matrix import Columns
from reports.page.provenance import duration
from reports.signs import SIGNS
from reports.trend import Trend
from reports.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The cells that changed in one way; those of less interest are folded."""

    kind: str
    title: str
    is_folded: bool
    cells: tuple[CellChange, ...]


def diff_page(diff: Diff) -> str:
    """The HTML of one file that needs nothing else. The same difference gives the same text."""
    return render_template(
        "diff",
        sheet_of(Columns((), ()), ()),
        ("theme",),
        page=diff,
        verdict=_verdict(diff),
        sections=list(_sections(diff)),
        signs=SIGNS,
    )


def trend_page(trend: Trend) -> str:
    """The HTML of one file that needs nothing else. The same history gives the same text."""
    return render_template(
        "trend",
        sheet_of(Columns((), ()), ()),
        ("theme",),
        page=trend,
        charts=charts_of(trend.steps),
        width=WIDTH,
        height=HEIGHT,
        signs=SIGNS,
        changed_line=facts_line,
        duration=duration,
    )


def write_trend(trend: Trend, path: Path) -> None:
    """Write that page; raises UsageError where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, trend_page(trend))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(f"{path}: cannot be written ({reason}); give another file") from error


def _verdict(diff: Diff) -> Verdict:
    told = verdict(diff)
    sentence = " ".join([f"{told[0].upper()}{told[1:]}.", *diff.incomplete])
    if diff.incomplete:
        return Verdict(level="incomplete", headline="Not all was judged", sentence=sentence)
    level, headline = ("red", "Regressed") if diff.regressions else ("green", "Nothing regressed")
    return Verdict(level=level, headline=headline, sentence=sentence)


def _sections(diff: Diff) -> Iterator[Section]:
    for kind in Kind:
        if cells := diff.of(kind):
            title = f"{kind.label.capitalize()}: {len(cells)}"
            yield Section(kind=str(kind), title=title, is_folded=kind in FOLDED, cells=cells)
