"""Charts of runs over time, drawn without scripts: outcomes, worst error ratio, duration."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.records import Outcome
from reports.cell_details import number
from reports.diff_output import settings_line
from reports.history import PastRun
from reports.page.plot import Tick
from reports.page.provenance import duration
from reports.signs import SIGNS
from reports.trend import Step

WIDTH, HEIGHT = 720, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 14, 24
_FLOOR = 1e-6  # smallest ratio that is drawn; 0 has no logarithm
_LABELS = 8


@dataclass(frozen=True, slots=True)
class Mark:
    """A part of a run's bar, coloured by the CSS class `css`, or a point of a line."""

    x: float
    y: float
    width: float
    height: float
    label: str
    css: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart over all runs, the oldest on the left.

    `path` joins the points of a line; it is empty for bars. `changes` are labelled positions at
    which versions changed.
    """

    title: str
    summary: str
    marks: tuple[Mark, ...]
    path: str
    values: tuple[Tick, ...]
    runs: tuple[Tick, ...]
    changes: tuple[Tick, ...]


def charts_of(steps: Sequence[Step]) -> tuple[Chart, ...]:
    """Return the charts for which there are values."""
    if not steps:
        return ()
    return tuple(chart for chart in (_outcomes(steps), _ratios(steps), _seconds(steps)) if chart)


def _outcomes(steps: Sequence[Step]) -> Chart:
    top = max(1, *(sum(step.run.counts.values()) for step in steps))
    marks: list[Mark] = []
    for place, step in enumerate(steps):
        done = 0
        for outcome in reversed(Outcome):
            count = step.run.counts.get(outcome, 0)
            if count:
                upper, lower = _y((done + count) / top), _y(done / top)
                label = f"{step.run.name}: {count} {SIGNS[outcome].label}"
                x, width = _slot(place, len(steps))
                height = round(lower - upper, 2)
                marks.append(Mark(x, upper, width, height, label, SIGNS[outcome].css))
                done += count
    last = steps[-1].run
    counts = ", ".join(f"{n} {SIGNS[outcome].label}" for outcome, n in last.counts.items())
    ticks = (Tick(_y(0), "0"), Tick(_y(1), f"{top:,}"))
    return _chart("Cells by outcome", f"last run: {counts}", steps, marks, ticks)


def _ratios(steps: Sequence[Step]) -> Chart | None:
    found = {i: step.run.ratio for i, step in enumerate(steps) if step.run.ratio is not None}
    exponents = {i: math.log10(max(ratio, _FLOOR)) for i, ratio in found.items()}
    if not exponents:
        return None
    low = math.floor(min(exponents.values()))
    high = max(math.ceil(max(exponents.values())), low + 1)
    shares = {i: (exponent - low) / (high - low) for i, exponent in exponents.items()}
    ticks = (Tick(_y(0), f"1e{low}"), Tick(_y(1), f"1e{high}"))
    words = {i: number(ratio) for i, ratio in found.items()}
    title = "Largest error ratio of passed cells"
    return _line(title, steps, shares, words, ticks)


def _seconds(steps: Sequence[Step]) -> Chart:
    top = max(1.0, *(step.run.seconds for step in steps))
    shares = {i: step.run.seconds / top for i, step in enumerate(steps)}
    words = {i: duration(step.run.seconds) for i, step in enumerate(steps)}
    ticks = (Tick(_y(0), "0"), Tick(_y(1), duration(top)))
    return _line("Time of all requirements, summed over processes", steps, shares, words, ticks)


def _line(
    title: str,
    steps: Sequence[Step],
    shares: dict[int, float],
    words: dict[int, str],
    ticks: tuple[Tick, ...],
) -> Chart:
    marks = [
        Mark(_middle(i, len(steps)), _y(share), 0, 0, f"{steps[i].run.name}: {words[i]}")
        for i, share in shares.items()
    ]
    summary = f"last run: {words[max(words)]}"
    path = " ".join(f"{'L' if n else 'M'}{mark.x} {mark.y}" for n, mark in enumerate(marks))
    return _chart(title, summary, steps, marks, ticks, path=path)


def _chart(
    title: str,
    summary: str,
    steps: Sequence[Step],
    marks: Iterable[Mark],
    values: tuple[Tick, ...],
    *,
    path: str = "",
) -> Chart:
    every = max(1, -(-len(steps) // _LABELS))
    count = len(steps)
    return Chart(
        title=title,
        summary=summary,
        marks=tuple(marks),
        path=path,
        values=values,
        runs=tuple(
            Tick(_middle(i, count), _day(step.run))
            for i, step in enumerate(steps)
            if i % every == 0
        ),
        changes=tuple(
            Tick(_slot(i, count)[0], settings_line(step.changed))
            for i, step in enumerate(steps)
            if step.changed
        ),
    )


def _day(run: PastRun) -> str:
    return run.started[:10]


def _slot(place: int, count: int) -> tuple[float, float]:
    """Return the x position and the width of a run's bar."""
    step = (WIDTH - _LEFT - _RIGHT) / count
    return round(_LEFT + place * step, 2), round(step * (0.8 if step > 4 else 1), 2)


def _middle(place: int, count: int) -> float:
    x, width = _slot(place, count)
    return round(x + width / 2, 2)


def _y(share: float) -> float:
    return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 2)
