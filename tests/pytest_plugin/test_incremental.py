"""--incremental judges changed cells again, and reuses the records of the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_runs import CELL, LADDER, SMALL, Result, RunPytest, rule

from harness.records import CellId, Outcome
from tests.written_findings import write_finding

INCREMENTAL = (*SMALL, "--incremental")
VERIFY = (*SMALL, "--incremental=verify")
FAILING = rule("failed", cell="vit*", requirement="weights")
EXPECTED: dict[str, Any] = {
    "requirement": "weights",
    "opsets": "14..18",
    "exporter": "*",
    "cells": [
        f"vit/{task}/opset{opset}/{exporter}"
        for task in ("feature-extraction", "image-classification", "masked-im")
        for opset in (14, 18)
        for exporter in ("dynamo", "torchscript")
    ],
}
CRASH = {**EXPECTED, "outcome": "crashed", "message": "SIGKILL", "example": "got signal SIGKILL"}

Again = Callable[..., Result]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store for each test."""
    monkeypatch.setenv("ONNX_CONFORMANCE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "results"


@pytest.fixture
def again(run_pytest: RunPytest) -> Again:
    """Runs pytest in a new run folder each time: run1, run2, ..."""
    count = 0

    def run(*arguments: str, **how: Any) -> Result:
        nonlocal count
        count += 1
        return run_pytest(*arguments, run_dir=f"run{count}", **how)

    return run


def reused(result: Result) -> set[str]:
    """Return the cells with reused records, after checking that all or no records of each are."""
    marks: dict[str, set[bool]] = {}
    for (cell, _), record in result.run.records.items():
        marks.setdefault(cell, set()).add(record.reused is not None)
    assert all(len(found) == 1 for found in marks.values())
    return {cell for cell, found in marks.items() if found == {True}}


def judged(result: Result) -> set[str]:
    assert result.run.footer is not None
    assert result.run.footer.complete
    return set(result.run.header.planned) - reused(result)


def files(store: Path) -> list[Path]:
    return sorted(store.rglob("*.json"))


def file_of(cell: str, store: Path) -> Path:
    (found,) = [path for path in files(store) if json.loads(path.read_text())["cell"] == cell]
    return found


@pytest.mark.parametrize("workers", ["0", pytest.param("2", marks=pytest.mark.gate)])
def test_what_has_not_changed_is_reused_and_no_judge_started(again: Again, workers: str) -> None:
    first = again(*INCREMENTAL, "-n", workers)
    assert first.status == 0, first.output
    assert "conformance: 0 of 8 cells reused" in first.output
    assert len(judged(first)) == 8
    # A judge that started would kill the run, and a cell that it judged would fail.
    second = again(*INCREMENTAL, "-n", workers, rules=[rule("kill controller", cell="*")])
    assert second.status == 0, second.output
    assert "conformance: 8 of 8 cells reused" in second.output
    assert "reused: 8 of 8 cells have the records of earlier runs" in second.output
    assert "memory of a judge" not in second.output
    assert judged(second) == set()
    assert {record.reused for record in second.run.records.values()} == {"run1"}
    assert {str(line.cell) for line in second.run.started} == set(second.run.header.planned)
    assert len(second.run.records) == 8 * len(LADDER)


def test_what_was_reused_still_names_the_run_that_judged_it(again: Again) -> None:
    for _ in range(3):
        last = again(*INCREMENTAL)
    assert {record.reused for record in last.run.records.values()} == {"run1"}


def test_the_seed_stays_unless_one_is_given(again: Again) -> None:
    assert again(*INCREMENTAL).run.header.seed == 0
    other = again(*INCREMENTAL, "--hypothesis-seed", "7")
    assert (other.run.header.seed, len(judged(other))) == (7, 8)
    assert judged(again(*INCREMENTAL, "--hypothesis-seed", "7")) == set()
    assert len(judged(again(*INCREMENTAL, "--max-examples", "7"))) == 8


def test_other_runs_neither_read_nor_write(again: Again, store: Path) -> None:
    again(*SMALL, "--hypothesis-seed", "0")
    assert not files(store)
    again(*INCREMENTAL)
    plain = again(*SMALL, "--hypothesis-seed", "0")
    assert len(judged(plain)) == 8
    assert "reused" not in (plain.directory / "run.jsonl").read_text()
    assert "reused" not in plain.output


def test_a_failure_is_reused_with_its_findings(again: Again) -> None:
    first = again(*INCREMENTAL, rules=[FAILING])
    second = again(*INCREMENTAL)
    assert (first.status, second.status) == (1, 1)
    assert judged(second) == set()
    shown = second.output.partition("short test summary")[0]
    assert shown.count("  weights: failed\n    weights: got 1, expected 2") == 4
    cell = "vit/image-classification/opset18/dynamo"
    assert second.outcomes(cell) == first.outcomes(cell)


def test_a_changed_expectation_changes_the_outcome_and_nothing_is_judged(
    again: Again, project: Path
) -> None:
    write_finding(project, **EXPECTED)
    green = again(*INCREMENTAL, rules=[FAILING], expectations="known.toml")
    assert green.status == 0, green.output
    red = again(*INCREMENTAL)
    assert (red.status, judged(red)) == (1, set())
    write_finding(project, **{**EXPECTED, "requirement": "weights,cache"})
    both = again(*INCREMENTAL, expectations="known.toml")
    assert (both.status, judged(both)) == (1, set())
    record = both.run.records["vit/image-classification/opset18/dynamo", "cache"]
    assert record.outcome is Outcome.XPASSED
    assert record.reused == "run1"
    write_finding(project, **EXPECTED)
    assert again(*INCREMENTAL, expectations="known.toml").status == 0


def test_what_passed_against_an_expectation_is_kept_as_it_was_judged(
    again: Again, project: Path
) -> None:
    write_finding(project, **EXPECTED)
    assert again(*INCREMENTAL, expectations="known.toml").status == 1
    plain = again(*INCREMENTAL)
    assert (plain.status, judged(plain)) == (0, set())
    pair = ("vit/image-classification/opset18/dynamo", "weights")
    assert "got 1, expected 2" in plain.run.records[pair].message


@pytest.mark.parametrize("do", ["exit", "raise", "errored", "omit", "lost", "unwritable", "hang"])
def test_what_ended_without_a_verdict_is_judged_again(again: Again, do: str) -> None:
    limit = ("--cell-timeout", "2")
    first = again(*INCREMENTAL, *limit, rules=[rule(do)])
    assert first.status == 1
    second = again(*INCREMENTAL, *limit)
    assert (second.status, judged(second)) == (0, {CELL})
    assert judged(again(*INCREMENTAL)) == set()


def test_an_expected_crash_is_judged_again(again: Again, project: Path) -> None:
    write_finding(project, **CRASH)
    known = [rule("kill", cell="vit*", requirement="weights")]
    for _ in range(2):
        result = again(*INCREMENTAL, rules=known, expectations="known.toml")
        assert {CellId.parse(c).architecture for c in judged(result)} >= {"vit"}
        assert result.status == 0, result.output


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "[" * 100_000,
        lambda text: text.replace('"form": 1', '"form": 0'),
        lambda text: text.replace('"fingerprint": "', '"fingerprint": "0'),
        lambda text: text.replace('"run": "run1"', '"run": 1'),
        lambda text: text.replace("opset18/dynamo", "opset18/torchscript"),
        lambda text: text.replace('"requirement": "cache"', '"requirement": "weights"'),
        lambda text: text.replace('"requirement": "cache"', '"requirement": "other"'),
        lambda text: text.replace('"outcome": "passed"', '"outcome": "crashed"', 1),
        lambda text: text.replace('"outcome": "passed"', '"outcome": "xfailed"', 1),
        lambda text: text.replace('"outcome": "passed"', '"outcome": "fine"', 1),
        lambda text: text.replace('"expectation": null', '"expectation": {}', 1),
        lambda text: text.replace('"type": "record"', '"type": "footer"', 1),
        lambda text: text.replace('"examples": 0', '"examples": "0"', 1),
    ],
    ids=map(str, range(16)),
)
def test_an_invalid_stored_file_is_ignored_and_replaced(
    again: Again, store: Path, spoil: Callable[[str], str]
) -> None:
    again(*INCREMENTAL, "--architecture", "bert")
    path = file_of(CELL, store)
    good = path.read_text()
    path.write_text(spoil(good))
    assert path.read_text() != good
    second = again(*INCREMENTAL, "--architecture", "bert")
    assert second.status == 0, second.output
    assert "Traceback" not in second.output
    assert judged(second) == {CELL}
    assert path.read_text() == good.replace('"run1"', '"run2"')


def test_a_store_that_cannot_be_written_costs_nothing_else(again: Again, store: Path) -> None:
    store.parent.mkdir(parents=True)
    store.write_text("in the way")
    for _ in range(2):
        result = again(*INCREMENTAL)
        assert (result.status, len(judged(result))) == (0, 8)


def test_shards_share_a_store(again: Again) -> None:
    for index in ("1/2", "2/2"):
        again(*INCREMENTAL, "--shard", index)
    whole = again(*INCREMENTAL)
    assert (len(whole.run.header.planned), judged(whole)) == (8, set())


@pytest.mark.parametrize("workers", ["0", "2"])
def test_verify_judges_a_sample_again(again: Again, workers: str) -> None:
    again(*INCREMENTAL)
    result = again(*VERIFY, "-n", workers)
    assert result.status == 0, result.output
    assert "conformance: 3 of 8 cells reused, 5 more are judged again" in result.output
    assert "(sample seed " in result.output
    assert len(judged(result)) == 5
    again(*SMALL, "--incremental", rules=[FAILING])
    few = again(*VERIFY, "--opset", "18", "--architecture", "bert")
    assert len(judged(few)) == 2


@pytest.mark.parametrize(
    ("workers", "old", "new", "says"),
    [
        ("0", '"outcome": "passed"', '"outcome": "failed"', 'got outcome "passed", expected "fai'),
        ("2", '"examples": 0', '"examples": 3', "got examples 0, expected 3"),
        ("0", '"covered": {}', '"covered": {"a": [1]}', 'got covered {}, expected {"a": [1]}'),
        ("0", '"part": null', '"part": "decoder"', 'got part null, expected "decoder"'),
        ("0", '"blame": "', '"blame": "1', "got blame "),
        ("0", "got 1, ", "got 2, ", "got message "),
    ],
)
def test_verify_finds_a_record_that_is_not_what_judging_gives(
    again: Again, store: Path, workers: str, old: str, new: str, says: str
) -> None:
    arguments = ("--architecture", "bert", "-n", workers)
    again(*INCREMENTAL, *arguments)
    path = file_of(CELL, store)
    path.write_text(path.read_text().replace(old, new, 1))
    result = again(*VERIFY, *arguments)
    assert result.status == 1
    record = result.run.records[CELL, LADDER[0]]
    assert record.outcome is Outcome.ERRORED
    assert record.message.startswith(f"{LADDER[0]}: judged again, {says}")
    assert record.message.endswith("something that changes this result: report it")
    assert f"of run run1 [{CELL}]" in record.message
    assert record.message in result.output
    assert result.outcomes(CELL)[1:] == [Outcome.PASSED] * (len(LADDER) - 1)
    assert not path.exists()
    assert judged(again(*INCREMENTAL, *arguments)) == {CELL}


def test_seconds_may_differ(again: Again, store: Path) -> None:
    again(*INCREMENTAL, "--architecture", "bert")
    path = file_of(CELL, store)
    path.write_text(path.read_text().replace('"seconds": 0.0', '"seconds": 9.0'))
    assert again(*VERIFY, "--architecture", "bert").status == 0


def test_verify_finds_what_now_crashes_even_where_that_is_expected(
    again: Again, project: Path
) -> None:
    again(*INCREMENTAL, "--architecture", "vit")
    write_finding(project, **CRASH)
    crash = [rule("kill", cell="vit*", requirement="weights")]
    result = again(*VERIFY, "--architecture", "vit", rules=crash, expectations="known.toml")
    assert result.status == 1
    record = result.run.records["vit/image-classification/opset18/dynamo", "weights"]
    assert record.outcome is Outcome.ERRORED
    assert "weights: judged again, got outcome " in record.message


def test_the_flag_takes_no_following_argument(run_pytest: RunPytest, project: Path) -> None:
    (project / "suite").mkdir()
    (project / "suite" / "test_own.py").write_text("def test_own():\n    pass\n")
    result = run_pytest("--incremental", suite=("suite",))
    assert "1 passed" in result.output
    result = run_pytest("--incremental", *SMALL, "-n", "2")
    assert result.status == 0, result.output
    assert len(result.run.header.planned) == 8


@pytest.mark.parametrize("value", ["always", "", "Verify"])
def test_another_value_is_refused(run_pytest: RunPytest, value: str) -> None:
    result = run_pytest(*SMALL, f"--incremental={value}")
    assert result.status == 4
    assert f"argument --incremental: ignored explicit argument '{value}'" in result.output


def test_a_resumed_run_cannot_become_incremental(run_pytest: RunPytest) -> None:
    run_pytest(*INCREMENTAL, rules=[rule("interrupt")])
    result = run_pytest("--incremental", "--resume=run", run_dir=None)
    assert result.status == 4
    (error,) = result.error_lines
    assert (
        "--incremental: cannot be changed in a run that --resume continues; leave it out" in error
    )


def test_what_a_killed_run_has_judged_is_reused(again: Again) -> None:
    killed = again(*INCREMENTAL, rules=[rule("kill controller", cell="vit/*/opset18/dynamo")])
    assert killed.status < 0
    assert 0 < len(judged(again(*INCREMENTAL))) < 8
