"""The HTML pages about several runs: the diff of two runs, and the trend of a history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.files import write_atomically
from reports.diff import CellChange, ChangeKind, Diff
from reports.diff_output import FOLDED, settings_line, verdict
from reports.html import render_template
from reports.page.assets import style_sheet_for
from reports.page.charts import HEIGHT, WIDTH, charts_of
from reports.page.matrix import Columns
from reports.page.provenance import duration
from reports.signs import SIGNS
from reports.trend import Trend
from reports.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The cells with one kind of change; less important kinds are folded."""

    kind: str
    title: str
    is_folded: bool
    cells: tuple[CellChange, ...]


def diff_page(diff: Diff) -> str:
    """Return the HTML of one self-contained page. The same diff gives the same text."""
    return render_template(
        "diff",
        style_sheet_for(Columns((), ()), ()),
        ("theme",),
        page=diff,
        verdict=_verdict(diff),
        sections=list(_sections(diff)),
        signs=SIGNS,
    )


def trend_page(trend: Trend) -> str:
    """Return the HTML of one self-contained page. The same history gives the same text."""
    return render_template(
        "trend",
        style_sheet_for(Columns((), ()), ()),
        ("theme",),
        page=trend,
        charts=charts_of(trend.steps),
        width=WIDTH,
        height=HEIGHT,
        signs=SIGNS,
        settings_line=settings_line,
        duration=duration,
    )


def write_trend(trend: Trend, path: Path) -> None:
    """Write the page of a trend to `path`; raises UsageError if that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, trend_page(trend))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(f"{path}: cannot be written ({reason}); give another file") from error


def _verdict(diff: Diff) -> Verdict:
    changes = verdict(diff)
    sentence = " ".join([f"{changes[0].upper()}{changes[1:]}.", *diff.incomplete])
    if diff.incomplete:
        return Verdict(level="incomplete", headline="Incomplete comparison", sentence=sentence)
    level, headline = ("red", "Regressed") if diff.regressions else ("green", "Nothing regressed")
    return Verdict(level=level, headline=headline, sentence=sentence)


def _sections(diff: Diff) -> Iterator[Section]:
    for kind in ChangeKind:
        if cells := diff.of(kind):
            title = f"{kind.label.capitalize()}: {len(cells)}"
            yield Section(kind=str(kind), title=title, is_folded=kind in FOLDED, cells=cells)
