"""`promote`: adds the failing examples of a run to the regressions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.records import CellId, FailingExample, Outcome, Record
from tests.small_runs import write_run

CELL = CellId.parse("bert/fill-mask/opset18/torchscript")
FAILURE = Record(
    cell=CELL,
    requirement="agreement",
    outcome=Outcome.FAILED,
    failing=FailingExample(axes={"batch_size": 2, "sequence_length": 3}, seed=4),
)


@pytest.fixture
def failed_run(tmp_path: Path) -> Path:
    """A run directory with one failure."""
    return write_run(tmp_path / "run", FAILURE)


def test_it_writes_the_minimal_example_once(failed_run: Path, run: Any, tmp_path: Path) -> None:
    path = tmp_path / "fixtures" / "regressions" / "bert.json"
    result = run("promote", failed_run, "--output", tmp_path / "fixtures")
    assert (result.status, result.out) == (0, f"wrote {path}\n")
    (entry,) = json.loads(path.read_text(encoding="utf-8"))
    assert entry["axes"] == {"batch_size": 2, "sequence_length": 3}
    assert entry["found"] == f"{CELL} agreement"
    again = run("promote", failed_run, "--output", tmp_path / "fixtures")
    assert again.out.startswith("nothing to add")


def test_what_is_no_run_is_refused(run: Any, tmp_path: Path) -> None:
    run("promote", tmp_path / "none").assert_refused("no run file")
