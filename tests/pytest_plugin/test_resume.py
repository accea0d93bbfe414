"""--resume continues a run that ended early; a pair with a record is not judged again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import filelock
import pytest
from pytest_runs import CELL, LADDER, SMALL, Result, RunPytest, rule

from harness.errors import UsageError
from harness.pytest_plugin.run_file import require_space

RESUME = ("--resume=run",)


@pytest.fixture(params=["0", pytest.param("2", marks=pytest.mark.gate)])
def workers(request: pytest.FixtureRequest) -> tuple[str, str]:
    return "-n", str(request.param)


def resume(run_pytest: RunPytest, *arguments: str) -> Result:
    result = run_pytest(*RESUME, *arguments, run_dir=None)
    return Result(
        status=result.status, output=result.output, directory=result.directory.parent / "run"
    )


def lines_of(result: Result) -> list[dict[str, str]]:
    texts = (result.directory / "run.jsonl").read_text().splitlines()
    return [json.loads(text) for text in texts]


def test_a_killed_run_is_completed(run_pytest: RunPytest, workers: tuple[str, str]) -> None:
    first = run_pytest(*SMALL, *workers, rules=[rule("kill controller")])
    assert first.status < 0
    before = first.run
    assert 0 < len(before.records) < 8 * len(LADDER)
    second = resume(run_pytest, *workers)
    assert second.status == 0, second.output
    after = second.run
    assert after.header == before.header
    assert after.footer is not None
    assert after.footer.counts == {"passed": 8 * len(LADDER)}
    assert {pair: after.records[pair] for pair in before.records} == before.records
    pairs = Counter(
        (d["cell"], d["requirement"]) for d in lines_of(second) if d["type"] == "record"
    )
    assert set(pairs.values()) == {1}
    assert len(pairs) == 8 * len(LADDER)


def test_only_what_has_no_record_is_judged(run_pytest: RunPytest) -> None:
    first = run_pytest(*SMALL, rules=[rule("kill controller")])
    judged = Counter(cell for cell, _ in first.run.records)
    whole = {cell for cell, count in judged.items() if count == len(LADDER)}
    assert whole
    second = resume(run_pytest, "-v")
    assert not [cell for cell in whole if f"[{cell}] PASSED" in second.output]
    assert f"[{CELL}] PASSED" in second.output


def test_an_interrupted_run_is_completed_with_its_own_seed_and_examples(
    run_pytest: RunPytest,
) -> None:
    first = run_pytest(*SMALL, "--max-examples", "7", rules=[rule("interrupt")])
    assert first.status == 2
    second = resume(run_pytest)
    assert second.status == 0, second.output
    notes = {record.blame for record in second.run.records.values()}
    assert {str(note).split()[0] for note in notes} == {"7"}
    alike = [r.blame for (cell, _), r in second.run.records.items() if cell == CELL]
    assert len(set(alike)) == 1


def test_failures_of_before_still_count(run_pytest: RunPytest) -> None:
    early = rule("failed", cell="bert/fill-mask/opset14/dynamo")
    run_pytest(*SMALL, rules=[early, rule("kill controller")])
    second = resume(run_pytest)
    assert second.status == 1
    assert "7 of 8 cells ended as expected" in second.output


def test_it_can_be_killed_and_resumed_again(run_pytest: RunPytest) -> None:
    run_pytest(*SMALL, rules=[rule("kill controller")])
    again = run_pytest(*RESUME, rules=[rule("kill controller", cell="vit*")], run_dir=None)
    assert again.status < 0
    assert resume(run_pytest).status == 0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--resume=nowhere",), "nowhere: no run file here"),
        ((*RESUME, "--opset", "18"), "--opset: cannot be changed in a run that --resume continues"),
        ((*RESUME, "--run-dir=other"), "--run-dir: cannot be changed in a run"),
    ],
)
def test_a_wrong_use_is_one_line(
    run_pytest: RunPytest, arguments: tuple[str, ...], line: str
) -> None:
    run_pytest(*SMALL, rules=[rule("interrupt")])
    result = run_pytest(*arguments, run_dir=None)
    assert result.status == 4, result.output
    (error,) = result.error_lines
    assert line in error


def test_two_runs_never_write_one_folder(run_pytest: RunPytest) -> None:
    first = run_pytest(*SMALL, rules=[rule("interrupt")])
    before = (first.directory / "run.jsonl").read_bytes()
    with filelock.FileLock(first.directory / ".lock"):
        second = resume(run_pytest, "-n", "2")
    assert second.status == 4
    assert "another pytest run writes there; wait for it or stop it" in second.output
    assert (first.directory / "run.jsonl").read_bytes() == before


def test_a_full_disk_ends_the_run_in_one_line_and_loses_nothing(
    run_pytest: RunPytest, project: Path, workers: tuple[str, str]
) -> None:
    (project / "small_disk.py").write_text(
        "import resource, sys\n"
        "def pytest_sessionstart(session):\n"
        "    if not hasattr(session.config, 'workerinput'):\n"
        "        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))\n"
    )
    first = run_pytest(*SMALL, *workers, "-p", "small_disk")
    assert first.status == 3, first.output
    assert f"{first.directory}: cannot be written (File too large); make room" in first.output
    assert "INTERNALERROR" not in first.output
    known = first.run.records
    assert known
    assert first.run.footer is None
    second = resume(run_pytest, *workers)
    assert second.status == 0, second.output
    assert len(second.run.records) == 8 * len(LADDER)
    assert {pair: second.run.records[pair] for pair in known} == known


def test_a_disk_that_is_all_but_full_is_refused_before_the_work(tmp_path: Path) -> None:
    require_space(tmp_path / "run")
    with pytest.raises(UsageError, match=r"are free on its disk, a run needs .*; make room"):
        require_space(tmp_path / "run", needed=1 << 60)
