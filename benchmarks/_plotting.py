"""Draws curves as SVG. A separate module, because only the extra `bench` installs matplotlib."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

Curve = Sequence[tuple[float, float]]


def add_plot(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the curve as SVG")


def plot(
    path: Path, curves: Mapping[str, Curve], *, x: str, y: str, bar: Curve, bar_name: str
) -> None:
    """Write an SVG of the named curves and of the bar, their limit.

    The file has no date, so that equal curves give equal files.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "benchmarks", "svg.fonttype": "none"}):
        figure = Figure(figsize=(7, 3.6), layout="constrained")
        axes = figure.subplots()
        for name, curve in curves.items():
            axes.plot(*zip(*curve, strict=True), marker=".", label=name)
        axes.plot(*zip(*bar, strict=True), color="black", linestyle=":", label=bar_name)
        axes.set(xlabel=x, ylabel=y, ylim=(0, None))
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})
