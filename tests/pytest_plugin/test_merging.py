"""Runs of parts of a plan merge to the same lines as a run of the whole plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pytest_runs import CELL, SMALL, RunPytest, rule

from harness.records import RUN_FILE
from reports.__main__ import main

TIMINGS = {"run", "started", "ended", "time", "process", "seconds"}
SELECTED = SMALL[2:]


def lines(directory: Path) -> list[dict[str, Any]]:
    """Return the lines of a run file without timings."""
    texts = (directory / RUN_FILE).read_text(encoding="utf-8").splitlines()
    return [
        {name: value for name, value in json.loads(text).items() if name not in TIMINGS}
        for text in texts
    ]


def test_parts_of_a_run_merge_to_the_whole_one(run_pytest: RunPytest, tmp_path: Path) -> None:
    rules = [rule("failed"), rule("failed", cell="vit/*/opset14/*", requirement="agreement")]
    seed = ("--hypothesis-seed", "5")
    whole = run_pytest(*SMALL, *seed, rules=rules, run_dir="whole")
    parts = [
        run_pytest("--architecture", name, *SELECTED, *seed, rules=rules, run_dir=name)
        for name in ("vit", "bert")
    ]
    merged = tmp_path / "merged"
    assert main(["merge", *(str(part.directory) for part in parts), "-o", str(merged)]) == 0
    assert (whole.status, whole.outcomes(CELL).count("failed")) == (1, 1)
    assert lines(merged) == lines(whole.directory)
