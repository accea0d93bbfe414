"""`durations`: one command keeps how long the cells of a run took."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.records import RUN_FILE, CellId, Header, Outcome, Record, dump_line

CELL = CellId.parse("bert/fill-mask/opset18/torchscript")


@pytest.fixture
def write_run(tmp_path: Path) -> Any:
    """Write a run of one record, which took 1.5 seconds."""

    def write(outcome: Outcome) -> Path:
        header = Header(
            run="r",
            started="2026-01-01T00:00:00+00:00",
            versions={},
            platform="",
            profile="smoke",
            seed=0,
            planned={str(CELL): ["export"]},
            modalities={"bert": "text"},
        )
        record = Record(cell=CELL, requirement="export", outcome=outcome, seconds=1.5)
        path = tmp_path / RUN_FILE
        path.write_text(f"{dump_line(header)}\n{dump_line(record)}\n", encoding="utf-8")
        return path

    return write


def test_it_writes_what_was_measured(write_run: Any, run: Any, tmp_path: Path) -> None:
    path = tmp_path / "fixtures" / "durations.json"
    result = run("durations", write_run(Outcome.PASSED), "--output", tmp_path / "fixtures")
    assert (result.status, result.out) == (0, f"wrote {path}, rows measured: 1\n")
    assert json.loads(path.read_text()) == {"bert/fill-mask/torchscript": 1.5}


def test_a_run_that_judged_nothing_is_refused(write_run: Any, run: Any, tmp_path: Path) -> None:
    result = run("durations", write_run(Outcome.NOT_RUN), "--output", tmp_path / "fixtures")
    result.assert_refused("no cell of this run was judged to the end")
    assert not (tmp_path / "fixtures").exists()


def test_what_is_no_run_is_refused(run: Any, tmp_path: Path) -> None:
    run("durations", tmp_path / "none").assert_refused("no run file")
