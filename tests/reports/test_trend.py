"""A history keeps each run once, and answers since when a cell is red or green."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.records import Footer, Line, Outcome, Run, RunShard, Worst, read_run
from reports.__main__ import main
from reports.diff import ChangedSetting
from reports.history import History, open_history
from reports.trend import CellTrend, trend_of

BERT = "bert/fill-mask/opset18/dynamo"
VIT = "vit/image-classification/opset18/dynamo"
GREEN, RED = Outcome.PASSED, Outcome.FAILED


def night_lines(
    runs: Any, day: int, outcome: Outcome, *, torch: str = "2.9", **fields: Any
) -> list[Line]:
    header = runs.header(
        BERT,
        VIT,
        **{
            "run": f"night-{day}",
            "started": f"2025-01-{day:02}T02:00:00+00:00",
            "versions": {"torch": torch, "onnx": "1.19"},
            "seed": day,
            **fields,
        },
    )
    agreement = runs.record(BERT, "agreement", outcome, message="differs\nreplay: x")
    judged = [runs.record(BERT, "export", Outcome.PASSED), agreement, *runs.passing(VIT)]
    return [
        header,
        *judged,
        Footer(counts={}, exit_status=int(outcome is not GREEN), complete=True),
    ]


def night(runs: Any, day: int, outcome: Outcome, **fields: Any) -> Run:
    """Return a run of two cells, in which BERT ends with `outcome`."""
    run: Run = runs.read(*night_lines(runs, day, outcome, **fields))
    return run


def written(runs: Any, day: int, outcome: Outcome, **fields: Any) -> str:
    return str(runs.write(*night_lines(runs, day, outcome, **fields), name=f"night-{day}"))


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with open_history(tmp_path / "history.sqlite", writable=True) as opened:
        yield opened


def bert(history: History) -> CellTrend:
    (cell,) = trend_of(history, cell=BERT).cells
    return cell


def test_a_red_cell_says_since_when_and_with_which_versions(runs: Any, history: History) -> None:
    for day, outcome, torch in (
        (1, GREEN, "2.8"),
        (2, GREEN, "2.9"),
        (3, RED, "2.10"),
        (4, RED, "2.11"),
    ):
        history.add(night(runs, day, outcome, torch=torch))
    cell = bert(history)
    assert (cell.colour, cell.since.name, cell.runs) == ("red", "night-3", 2)
    assert cell.before is not None
    assert cell.before.name == "night-2"
    assert cell.changed == (ChangedSetting(name="torch", old="2.9", new="2.10"),)
    assert (cell.last.outcome, cell.last.requirement, cell.last.message) == (
        RED,
        "agreement",
        "differs",
    )


def test_a_cell_that_was_repaired_is_green_since_then(runs: Any, history: History) -> None:
    for day, outcome in ((1, GREEN), (2, RED), (3, GREEN)):
        history.add(night(runs, day, outcome))
    cell = bert(history)
    assert (cell.colour, cell.since.name, cell.runs) == ("green", "night-3", 1)
    assert cell.changed == ()


def test_a_cell_that_was_never_otherwise_says_so(runs: Any, history: History) -> None:
    for day in (1, 2):
        history.add(night(runs, day, RED))
    cell = bert(history)
    assert (cell.since.name, cell.runs, cell.before) == ("night-1", 2, None)


def test_another_failure_is_the_same_streak(runs: Any, history: History) -> None:
    for day, outcome in ((1, GREEN), (2, RED), (3, Outcome.CRASHED)):
        history.add(night(runs, day, outcome))
    assert (bert(history).since.name, bert(history).last.outcome) == ("night-2", Outcome.CRASHED)


def test_an_expected_failure_is_not_red(runs: Any, history: History) -> None:
    history.add(night(runs, 1, Outcome.XFAILED))
    assert bert(history).colour == "green"


def test_runs_that_did_not_judge_a_cell_do_not_turn_it(runs: Any, history: History) -> None:
    for day, outcome in ((1, GREEN), (2, Outcome.NOT_RUN), (3, RED), (4, Outcome.NOT_RUN)):
        history.add(night(runs, day, outcome, torch=f"2.{day}"))
    cell = bert(history)
    assert (cell.colour, cell.since.name, cell.runs) == ("red", "night-3", 1)
    assert cell.changed == (ChangedSetting(name="torch", old="2.1", new="2.3"),)


def test_the_order_is_that_of_time_not_of_import(runs: Any, history: History) -> None:
    for day, outcome in ((3, RED), (2, RED), (1, GREEN)):
        history.add(night(runs, day, outcome))
    assert [step.run.name for step in trend_of(history).steps] == ["night-1", "night-2", "night-3"]
    assert bert(history).since.name == "night-2"


def test_changed_versions_are_marked_and_fresh_seeds_are_not(runs: Any, history: History) -> None:
    for day, torch in ((1, "2.9"), (2, "2.9"), (3, "2.10")):
        history.add(night(runs, day, GREEN, torch=torch))
    marks = [step.changed for step in trend_of(history).steps]
    assert marks == [(), (), (ChangedSetting(name="torch", old="2.9", new="2.10"),)]


def test_a_run_is_measured_by_its_seconds_and_by_the_worst_that_passed(
    runs: Any, history: History
) -> None:
    def compared(cell: str, outcome: Outcome, *ratios: float) -> list[Line]:
        return [
            runs.record(cell, name, outcome, seconds=2.5, worst=worst(ratio))
            for name, ratio in zip(("export", "agreement"), ratios, strict=True)
        ]

    header = runs.header(BERT, VIT)
    history.add(
        runs.read(header, *compared(BERT, GREEN, 0.25, 0.75), *compared(VIT, RED, 3.0, 1.0))
    )
    (run,) = history.runs()
    assert (run.seconds, run.ratio) == (10.0, 0.75)
    assert [state.ratio for (state,) in history.cells("*").values()] == [0.75, 3.0]
    history.add(runs.read(header, *compared(BERT, GREEN, 0.5, float("inf")), *runs.passing(VIT)))
    (run,) = history.runs()
    assert (run.seconds, run.ratio) == (6.0, 0.5)


def worst(ratio: float) -> Worst:
    return Worst(
        output="logits",
        max_abs_diff=ratio * 1e-5,
        atol=1e-5,
        error_ratio=ratio,
        axes={"batch_size": 1},
        seed=1,
    )


def test_importing_twice_changes_nothing(runs: Any, tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"

    def dump() -> list[str]:
        with closing(sqlite3.connect(path)) as connection:
            return list(connection.iterdump())

    first = [written(runs, 1, GREEN), written(runs, 2, RED)]
    assert main(["trend", str(path), *first]) == 0
    before = dump()
    assert any("night-1" in line for line in before)
    assert main(["trend", str(path), *first, first[0]]) == 0
    assert dump() == before


def test_a_run_of_the_same_name_and_another_start_is_another(runs: Any, history: History) -> None:
    for day in (1, 2):
        history.add(night(runs, day, GREEN, run="night"))
    assert len(history.runs()) == 2


def test_a_resumed_run_replaces_its_earlier_entry(runs: Any, history: History) -> None:
    history.add(night(runs, 1, Outcome.NOT_RUN))
    assert history.runs()[0].level == "incomplete"
    history.add(night(runs, 1, GREEN))
    (run,) = history.runs()
    assert (run.level, dict(run.counts)) == ("green", {GREEN: 2})


def test_a_shard_is_refused(runs: Any, history: History) -> None:
    with pytest.raises(UsageError, match=r"night-1: is shard 1/2 of a run; merge"):
        history.add(night(runs, 1, GREEN, shard=RunShard(index=1, count=2, cells=4)))


def test_the_command_prints_one_line_per_run(
    runs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = str(tmp_path / "history.sqlite")
    nights = [written(runs, 1, GREEN), written(runs, 2, RED, torch="2.10")]
    expected = (
        "2025-01-01T02:00:00+00:00 night-1 nightly green, 2 cells: 2 passed\n"
        "  changed: torch 2.9 -> 2.10\n"
        "2025-01-02T02:00:00+00:00 night-2 nightly red, 2 cells: 1 failed, 1 passed\n"
    )
    assert main(["trend", history, *nights]) == 0
    assert capsys.readouterr().out == expected
    assert main(["trend", history]) == 0
    assert capsys.readouterr().out == expected


def test_the_command_answers_since_when(
    runs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nights = [written(runs, 1, GREEN), written(runs, 2, RED, torch="2.10")]
    history = str(tmp_path / "history.sqlite")
    assert main(["trend", history, *nights, "--cell", "*/opset18/*"]) == 0
    assert capsys.readouterr().out == (
        f"{BERT} red since 2025-01-02T02:00:00+00:00 night-2 (runs: 1)\n"
        "  failed agreement: differs\n"
        "  changed colour after 2025-01-01T02:00:00+00:00 night-1, with torch 2.9 -> 2.10\n"
        f"{VIT} green since 2025-01-01T02:00:00+00:00 night-1 (runs: 2)\n"
        "  no earlier change of colour\n"
    )


def test_json_is_valid_against_its_schema(
    runs: Any,
    tmp_path: Path,
    validated: Callable[[str, str], Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    nights = [written(runs, 1, GREEN), written(runs, 2, RED, torch="2.10")]
    history = str(tmp_path / "history.sqlite")
    assert main(["trend", history, *nights, "--cell", "*", "--json"]) == 0
    data = validated(capsys.readouterr().out, "trend")
    assert [run["counts"] for run in data["runs"]] == [{"passed": 2}, {"failed": 1, "passed": 1}]
    red, green = data["cells"]
    assert (red["since"]["run"], red["before"]["run"]) == ("night-2", "night-1")
    assert red["changed"] == [{"name": "torch", "old": "2.9", "new": "2.10"}]
    assert (green["colour"], green["before"]) == ("green", None)


def other_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE run (id)")


def newer_history(path: Path) -> None:
    with open_history(path, writable=True):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


def torn_history(path: Path) -> None:
    with open_history(path, writable=True):
        pass
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 9000)


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda path: path.write_bytes(b"nonsense " * 999), "not a database"),
        (other_database, "another SQLite file"),
        (newer_history, "got history version 99, expected 2"),
        (torn_history, "cannot be used as a history"),
        (lambda path: path.mkdir(), "history"),
    ],
    ids=["no database", "other database", "newer", "torn", "folder"],
)
@pytest.mark.parametrize("imports", [True, False])
def test_a_file_that_is_no_history_is_one_line_and_unchanged(
    runs: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    make: Callable[[Path], None],
    part: str,
    imports: bool,
) -> None:
    path = tmp_path / "history.sqlite"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    new = [written(runs, 1, GREEN)] if imports else []
    assert main(["trend", str(path), *new]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert "history.sqlite" in captured.err
    assert part in captured.err
    assert before == (path.read_bytes() if path.is_file() else b"")


@pytest.mark.parametrize("exists", [True, False])
def test_a_missing_or_empty_history_is_not_made_without_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], exists: bool
) -> None:
    path = tmp_path / "history.sqlite"
    if exists:
        path.touch()
    assert main(["trend", str(path)]) == 2
    assert "history.sqlite: no history here; give runs to start one" in capsys.readouterr().err
    assert path.exists() == exists


def test_a_bad_run_takes_in_none_of_them(
    runs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "history.sqlite")
    good = written(runs, 1, GREEN)
    assert main(["trend", path, good]) == 0
    shard = written(runs, 3, GREEN, shard=RunShard(index=1, count=2, cells=4))
    later = written(runs, 2, GREEN)
    for bad in (shard, str(tmp_path / "gone")):
        assert main(["trend", path, later, bad]) == 2
    capsys.readouterr()
    assert main(["trend", path]) == 0
    assert capsys.readouterr().out.count("\n") == 1


def test_a_glob_that_no_judged_cell_matches_is_one_line(
    runs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "history.sqlite")
    assert main(["trend", path, written(runs, 1, Outcome.NOT_RUN), "--cell", "bert*"]) == 2
    assert "--cell 'bert*': no run of the history judged a matching cell" in capsys.readouterr().err


def test_hostile_names_are_kept_visibly(
    runs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cell, said = runs.hostile_cell, runs.hostile_text
    header = runs.header(cell, run=said, versions={said: "1\x1b[2J"}, profile=said)
    failed = runs.record(cell, "export", Outcome.FAILED, message=f"'); DROP TABLE run;-- {said}")
    path = runs.write(header, failed, *runs.passing(cell)[1:])
    read_run(path)
    history = str(tmp_path / "history.sqlite")
    assert main(["trend", history, str(path)]) == 0
    assert main(["trend", history, "--cell", "lib:*"]) == 0
    printed = capsys.readouterr().out
    printed.encode("utf-8")
    assert printed.count("\n") == 4
    assert "DROP TABLE run" in printed
    assert "\x1b" not in printed
