"""`durations`: stores how long the cells of a run took."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.records import CellId, Outcome, Record
from tests.small_runs import write_run

CELL = CellId.parse("bert/fill-mask/opset18/torchscript")


def run_that(outcome: Outcome, folder: Path) -> Path:
    """Write a run with one record, which took 1.5 seconds."""
    record = Record(cell=CELL, requirement="export", outcome=outcome, seconds=1.5)
    return write_run(folder / "run", record)


def test_it_writes_what_was_measured(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "fixtures" / "durations.json"
    result = run("durations", run_that(Outcome.PASSED, tmp_path), "--output", tmp_path / "fixtures")
    assert (result.status, result.out) == (0, f"wrote {path}, rows measured: 1\n")
    assert json.loads(path.read_text()) == {"bert/fill-mask/torchscript": 1.5}


def test_a_run_that_judged_nothing_is_refused(run: Any, tmp_path: Path) -> None:
    found = run_that(Outcome.NOT_RUN, tmp_path)
    result = run("durations", found, "--output", tmp_path / "fixtures")
    result.assert_refused("no cell of this run was judged to the end")
    assert not (tmp_path / "fixtures").exists()


def test_what_is_no_run_is_refused(run: Any, tmp_path: Path) -> None:
    run("durations", tmp_path / "none").assert_refused("no run file")


def test_gaps_are_filled_on_request(run: Any, tmp_path: Path) -> None:
    output = tmp_path / "fixtures"
    output.mkdir()
    path = output / "durations.json"
    path.write_text('{"gpt2/text-generation/dynamo": 4.0, "bert/fill-mask/dynamo": 3.0}')
    found = run_that(Outcome.PASSED, tmp_path)
    result = run("durations", found, "--fill-gaps", "--output", output)
    assert (result.status, result.out) == (
        0,
        f"wrote {path}, rows measured: 1, rows estimated: 1\n",
    )
    assert json.loads(path.read_text())["gpt2/text-generation/torchscript"] == 2.0


def test_of_several_runs_the_last_counts(run: Any, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    runs = [run_that(Outcome.PASSED, tmp_path / name) for name in ("first", "second")]
    result = run("durations", *runs, "--output", tmp_path / "fixtures")
    assert (result.status, result.out.endswith("rows measured: 1\n")) == (0, True)
