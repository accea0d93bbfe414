"""The pages about several runs: the diff of two runs, and the trend of a history."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.records import Outcome, Run, read_run
from reports.__main__ import main
from reports.diff import compare
from reports.history import open_history
from reports.other_pages import diff_page, trend_page
from reports.page.charts import Chart, charts_of
from reports.trend import Trend, trend_of

BERT = "bert/fill-mask/opset18/dynamo"
NIGHTS = tuple(f"night-{number}" for number in (1, 2, 3))


@pytest.fixture
def tree_of(runs: Any) -> Callable[[str], Any]:
    """A function that parses HTML into the same tree as the tests of a run's pages."""
    page = type(runs.page(runs.header(BERT)))

    def parsed(html: str) -> Any:
        path = runs.folder / "other.html"
        path.write_text(html, encoding="utf-8")
        return page.read(path).tree

    return parsed


def night(name: str) -> Run:
    return read_run(Path(__file__).parents[2] / "fixtures" / "runs" / name)


def trend(tmp_path: Path, *given: Run, cell: str | None = None) -> Trend:
    with open_history(tmp_path / "history.sqlite", writable=True) as history:
        for run in given:
            history.add(run)
        return trend_of(history, cell=cell)


def cells_of(table: Any) -> list[list[str]]:
    return [[cell.text for cell in row.children] for row in table.all("tr")]


def test_a_difference_shows_versions_first_then_what_regressed(tree_of: Any) -> None:
    tree = tree_of(diff_page(compare(night("night-2"), night("night-3"))))
    sections = [section.attributes["id"] for section in tree.one("main").all("section")]
    assert sections == ["versions", "verdict", "regressed"]
    assert ["torch", "2.9.0", "2.10.0"] in cells_of(tree.one("section", id="versions"))
    assert "v-red" in tree.one("section", id="verdict").attributes["class"]
    rows = cells_of(tree.one("section", id="regressed"))
    assert rows[1][:4] == [BERT, "agreement", " passed", " failed"]
    assert rows[1][4].startswith("values of logits: got max_abs_diff 0.25")


def test_less_important_kinds_are_folded(tree_of: Any, runs: Any) -> None:
    failing = [runs.record(BERT, name, Outcome.FAILED) for name in runs.requirements]
    run = runs.read(runs.header(BERT), *failing, runs.complete)
    tree = tree_of(diff_page(compare(run, run)))
    assert "open" not in tree.one("section", id="still_failing").one("details").attributes
    assert "v-green" in tree.one("section", id="verdict").attributes["class"]


def test_a_difference_with_an_incomplete_run_is_not_green(tree_of: Any, runs: Any) -> None:
    whole = runs.read(runs.header(BERT), *runs.passing(BERT), runs.complete)
    cut = runs.read(runs.header(BERT), *runs.passing(BERT))
    verdict = tree_of(diff_page(compare(whole, cut))).one("section", id="verdict")
    assert "v-incomplete" in verdict.attributes["class"]
    assert "Interrupted run" in verdict.text


def test_drifted_outputs_are_listed(tree_of: Any, runs: Any) -> None:
    def run(needed: float) -> Run:
        record = runs.record(BERT, "agreement", Outcome.PASSED, needed_atol={"logits": needed})
        found: Run = runs.read(runs.header(BERT), record)
        return found

    tree = tree_of(diff_page(compare(run(1e-6), run(1e-5))))
    row = cells_of(tree.one("section", id="drifted"))[1]
    assert row == [BERT, "agreement", "logits", "1e-06", "1e-05"]


def test_the_command_prints_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], golden: Callable[[str], Path]
) -> None:
    folder = Path(__file__).parents[2] / "fixtures" / "runs"
    words = [str(folder / name) for name in NIGHTS[1:]]
    assert main(["diff", *words, "--format", "html"]) == 1
    assert capsys.readouterr().out.startswith("<!doctype html>")
    target = tmp_path / "trend.html"
    history = str(tmp_path / "history.sqlite")
    assert main(["trend", history, *words, "-o", str(target)]) == 0
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert capsys.readouterr().out.count("\n") == 3
    assert main(["trend", history, "-o", str(tmp_path / "new" / "trend.html")]) == 0
    assert (tmp_path / "new" / "trend.html").read_bytes() == target.read_bytes()
    capsys.readouterr()
    assert main(["trend", history, "-o", str(target / "trend.html")]) == 2
    assert capsys.readouterr().err.startswith(f"error: {target}/trend.html: cannot be written")


def charts(tmp_path: Path) -> list[Chart]:
    return list(charts_of(trend(tmp_path, *map(night, NIGHTS)).steps))


def test_bars_add_up_to_all_cells_and_are_coloured_by_outcome(tmp_path: Path) -> None:
    outcomes = charts(tmp_path)[0]
    last = [mark for mark in outcomes.marks if mark.label.startswith("night-3: ")]
    counts = {mark.css: int(mark.label.split()[1]) for mark in last}
    assert sum(counts.values()) == 40
    assert counts["oF"] == 2
    heights = {mark.css: mark.height for mark in last}
    assert heights["oP"] / heights["oF"] == pytest.approx(counts["oP"] / counts["oF"], rel=0.01)
    assert len({mark.x for mark in last}) == 1


def test_lines_rise_with_what_is_measured(tmp_path: Path) -> None:
    _, ratios, seconds = charts(tmp_path)
    first, second, third = ratios.marks
    assert first.x < second.x < third.x
    assert second.y < first.y == third.y  # the second night needed twice as much
    assert len(seconds.marks) == 3
    assert ratios.summary == "last run: 0.21"


def test_every_chart_marks_where_versions_changed(tmp_path: Path) -> None:
    for chart in charts(tmp_path):
        (change,) = chart.changes
        assert change.label == "torch 2.9.0 -> 2.10.0"
        assert chart.runs[1].at < change.at < chart.runs[2].at


def test_a_history_of_many_runs_has_few_labels(tmp_path: Path, runs: Any) -> None:
    given = [
        runs.read(runs.header(BERT, run=f"r{i:03}", started=f"2025-01-01T00:00:{i:02}Z"))
        for i in range(60)
    ]
    found = charts_of(trend(tmp_path, *given).steps)
    assert all(len(chart.runs) <= 8 for chart in found)
    assert [chart.title for chart in found] == [
        "Cells by outcome",
        "Time of all requirements, summed over processes",
    ]


def test_a_history_says_since_when_a_cell_is_red(tree_of: Any, tmp_path: Path) -> None:
    tree = tree_of(trend_page(trend(tmp_path, *map(night, NIGHTS), cell=BERT)))
    row = cells_of(tree.one("section", id="cells"))[1]
    assert row[:2] == [BERT, " failed red"]
    assert "night-3" in row[2]
    assert row[3] == "torch 2.9.0 -> 2.10.0"
    newest, *others = cells_of(tree.one("section", id="runs"))[1:]
    assert newest[1] == "night-3"
    assert len(others) == 2


def test_an_empty_history_has_a_page(tmp_path: Path, tree_of: Any) -> None:
    assert tree_of(trend_page(trend(tmp_path))).all("figure") == []


def test_hostile_names_stay_text(tree_of: Any, runs: Any, tmp_path: Path) -> None:
    cell, said = runs.hostile_cell, runs.hostile_text
    failed = runs.record(cell, "export", Outcome.FAILED, message=said)
    old = runs.read(runs.header(cell), *runs.passing(cell))
    new = runs.read(runs.header(cell, run=said, versions={said: said}), failed)
    for html in (diff_page(compare(old, new)), trend_page(trend(tmp_path, old, new, cell="*"))):
        tree = tree_of(html)
        assert "\x1b" not in html
        assert "\u202e" not in html
        assert tree.all("img") == []
        assert len(tree.all("script")) == 1
        html.encode("utf-8")


def test_pages_refer_to_nothing_else_and_are_the_same_each_time(tmp_path: Path) -> None:
    def pages(folder: Path) -> list[str]:
        folder.mkdir()
        found = trend(folder, *map(night, NIGHTS), cell="*")
        return [diff_page(compare(*map(night, NIGHTS[:2]))), trend_page(found)]

    first, second = pages(tmp_path / "a"), pages(tmp_path / "b")
    assert first == second
    for html in first:
        assert "default-src 'none'" in html
        assert "src=" not in html.replace("default-src", "").replace("script-src", "")
