"""Every benchmark runs, prints its figures, and reports a missed bar; no test asserts a time."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import collection, memory
from benchmarks._measuring import Bar

NEVER = Bar.at_most(-1e9), Bar.at_least(1e9)
CELL = ("--architecture=vit", "--task=image-classification", "--opset=18", "--exporter=torchscript")

Run = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A function that runs a benchmark with bars that cannot be met, and returns its output."""

    def call(name: str, *arguments: str) -> str:
        module = importlib.import_module(f"benchmarks.{name}")
        for attribute, bar in list(vars(module).items()):
            if isinstance(bar, Bar):
                never = next(one for one in NEVER if one.wrong_side == bar.wrong_side)
                monkeypatch.setattr(module, attribute, never)
        module.main(arguments)
        return capsys.readouterr().out

    return call


@pytest.mark.parametrize(
    ("value", "at_most", "at_least"),
    [(1.9, "within", "BELOW"), (2.0, "within", "within"), (2.1, "ABOVE", "within")],
)
def test_a_bar_may_be_reached_and_not_passed(value: float, at_most: str, at_least: str) -> None:
    assert Bar.at_most(2.0, " s").verdict(value) == f"{at_most} the bar of 2 s"
    assert Bar.at_least(2.0).verdict(value) == f"{at_least} the bar of 2"


@pytest.mark.full
def test_a_matrix_above_the_bar_is_reported(run: Run) -> None:
    printed = run("matrix_overhead", *CELL, "--rounds=1", "--workers=1")
    assert "1 workers take" in printed
    assert "bare exports of 1 cells, median of 1 rounds: ABOVE the bar" in printed


@pytest.mark.full
def test_a_speedup_below_the_bar_is_reported(run: Run) -> None:
    printed = run("two_workers", *CELL, "--rounds=1")
    assert re.search(r"two workers are [\d.]+ x as fast as one, .*: BELOW the bar", printed)


@pytest.mark.full
def test_requirements_above_the_bar_are_reported(run: Run) -> None:
    printed = run("cost_of_requirements", *CELL)
    assert re.search(r"at least 3\d examples each: BELOW the bar", printed)
    assert re.search(r"all requirements cost [\d.]+ x the export, .*: ABOVE the bar", printed)


@pytest.mark.full
def test_opsets_above_the_bar_are_reported(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    opset_sharing = importlib.import_module("benchmarks.opset_sharing")
    monkeypatch.setattr(opset_sharing, "OPSETS", (18, 21))
    monkeypatch.setattr(opset_sharing, "COUNTS", (1, 2))
    monkeypatch.setattr(opset_sharing, "SLOPE", -2.0)
    printed = run("opset_sharing", "--task=vit/image-classification", "--rounds=1")
    assert "medians of 1 rounds: ABOVE the bar" in printed


@pytest.mark.full
def test_the_plain_loop_is_compared_with_judging(run: Run) -> None:
    printed = run("against_plain_loop", *CELL)
    assert "1 of 1" in printed
    assert re.search(r"judging 1 cells at 3\d shapes or more", printed)


@pytest.mark.full
def test_a_collection_above_the_bar_is_reported(run: Run) -> None:
    printed = run("collection", "--cells=50", "--rounds=1")
    assert re.search(r"50 cells are collected in [\d.]+ s without torch, .*: ABOVE", printed)


@pytest.mark.full
def test_collecting_with_torch_is_above_the_bar_for_any_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(collection, "MODULE", collection.MODULE + "\nimport torch\n")
    monkeypatch.setattr(collection, "BAR", Bar.at_most(1e9))
    collection.main(["--cells=50", "--rounds=1"])
    assert "with torch, median of 1 rounds: ABOVE the bar" in capsys.readouterr().out


@pytest.mark.full
def test_memory_above_the_bar_is_reported(run: Run) -> None:
    printed = run("memory", *CELL, "--cells=2", "--every=1")
    assert re.search(r"2 cells, of 1 different ones: \d+ MB at most, ABOVE the bar", printed)
    assert re.search(r"[+-][\d.]+ % since the 100th cell: ABOVE the bar", printed)


def test_memory_grows_since_the_judge_was_warm() -> None:
    assert memory.growth([(50, 500.0), (100, 800.0), (150, 840.0), (200, 1000.0)]) == pytest.approx(
        25
    )
    assert memory.growth([(2, 400.0), (4, 500.0)]) == pytest.approx(25)


@pytest.mark.full
@pytest.mark.nightly
def test_optimum_is_compared_in_all_settings(run: Run, tmp_path: Path) -> None:
    printed = run("against_optimum", *CELL, "--rounds=1", f"--folder={tmp_path}")
    assert re.search(r"3\d times the shapes or more: BELOW", printed)
    for setting in ("one process", "validated apart", "commands", "as they are used"):
        assert re.search(rf"{setting}: [\d.]+ x the cells per second, .*: BELOW", printed)


def test_curves_are_drawn_with_their_bar(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    drawn = []
    for name in ("one.svg", "other.svg"):
        path = tmp_path / name
        run("collection", "--cells=50", "--cells=100", "--rounds=1", f"--plot={path}")
        drawn.append(path.read_text(encoding="utf-8"))
    assert all("pytest --collect-only" in text and ">bar<" in text for text in drawn)
