"""Several processes: if one of them dies, no finished record is lost."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest
from pytest_runs import (
    AFTER_CHECKER,
    CELL,
    LADDER,
    NO_EXPECTATIONS,
    SMALL,
    SUITE,
    Result,
    RunPytest,
    call_pytest,
    rule,
)

from harness.records import Outcome

OTHER = "vit/image-classification/opset18/dynamo"
CRASHED = ["passed", "passed", "crashed", *["skipped"] * AFTER_CHECKER]


@pytest.mark.parametrize("architectures", ["bert,clip,gpt2,t5,vit,whisper", "gpt2"])
def test_the_cells_of_a_task_stay_on_one_worker_and_both_have_some(
    run_pytest: RunPytest, architectures: str
) -> None:
    result = run_pytest("-n", "2", "--opset", "14,18", "--architecture", architectures)
    assert result.status == 0, result.output
    processes = defaultdict(set)
    for line in result.run.started:
        processes[line.cell.architecture, line.cell.variant, line.cell.task].add(line.process)
    assert {len(found) for found in processes.values()} == {1}
    assert set.union(*processes.values()) == {"gw0", "gw1"}


def test_workers_begin_with_what_takes_longest(run_pytest: RunPytest, project: Path) -> None:
    rows = {"bert/fill-mask/dynamo": 1.0, "vit/image-classification/dynamo": 60.0}
    (project / "durations.json").write_text(json.dumps(rows))
    (project / "known_rows.py").write_text(
        "from pathlib import Path\n"
        "from harness.configs.plugins import register_fixtures\n"
        "register_fixtures(Path(__file__).parent)\n"
    )
    selection = ("--opset", "18", "--exporter", "dynamo", "--config-module", "known_rows")
    result = run_pytest("-n", "1", "--architecture", "bert,vit", *selection)
    cells = [line.cell for line in result.run.started]
    assert str(cells[0]) == OTHER
    assert [cell.architecture for cell in cells] == sorted(
        (cell.architecture for cell in cells), reverse=True
    )
    in_bert = [cell.task for cell in cells if cell.architecture == "bert"]
    assert in_bert[-1] == "fill-mask"


@pytest.mark.gate
def test_workers_and_a_single_process_write_the_same_records(run_pytest: RunPytest) -> None:
    arguments = (*SMALL, "--hypothesis-seed", "1")
    single = run_pytest(*arguments, rules=[rule("failed")], run_dir="single")
    several = run_pytest(*arguments, "-n", "2", rules=[rule("failed")], run_dir="several")
    assert single.status == several.status == 1
    assert single.run.records == several.run.records
    assert single.run.header.planned == several.run.header.planned
    assert single.run.footer.counts == several.run.footer.counts


@pytest.mark.parametrize(
    "do", [pytest.param("exit", marks=pytest.mark.gate), "kill", "kill worker"]
)
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_process_that_dies_leaves_crashed_and_nothing_undone(
    run_pytest: RunPytest, do: str, workers: str
) -> None:
    if (do, workers) == ("kill worker", "0"):
        pytest.skip("without workers, that is the death of the run")
    result = run_pytest(*SMALL, "-n", workers, rules=[rule(do)])
    assert result.status == 1
    run = result.run
    assert result.outcomes(CELL) == CRASHED
    assert len(run.records) == 8 * len(LADDER)
    assert {str(line.cell) for line in run.started} == set(run.header.planned)
    assert run.footer is not None
    assert (run.footer.complete, run.footer.exit_status) == (True, 1)
    undone = 1 + AFTER_CHECKER
    assert run.footer.counts == {
        "crashed": 1,
        "skipped": AFTER_CHECKER,
        "passed": 8 * len(LADDER) - undone,
    }
    assert "1 failed, 7 passed" in result.output
    assert f"{CELL}: crashed\n" in result.output
    assert f"replay: python -m harness replay {CELL} --requirement checker --seed " in result.output
    assert not (result.directory / "journals").exists()


@pytest.mark.gate
def test_a_cell_whose_worker_was_killed_is_judged_again(run_pytest: RunPytest) -> None:
    result = run_pytest(*SMALL, "-n", "2", rules=[rule("kill worker once")])
    assert result.status == 0, result.output
    assert result.output.count("replacing crashed worker") == 1
    assert result.outcomes(CELL) == ["passed"] * len(LADDER)


def test_a_cell_that_kills_its_workers_is_begun_twice(run_pytest: RunPytest) -> None:
    rules = [rule("kill worker", requirement="export"), rule("kill worker", cell=OTHER)]
    result = run_pytest(*SMALL, "-n", "2", rules=rules)
    assert result.status == 1
    assert result.output.count("replacing crashed worker") == 4
    assert result.outcomes(CELL) == ["crashed", *["skipped"] * (len(LADDER) - 1)]
    assert result.outcomes(OTHER) == CRASHED


def test_workers_find_the_root_conftest_when_the_run_folder_lies_elsewhere(
    project: Path, tmp_path: Path
) -> None:
    (project / "conftest.py").write_text("pytest_plugins = ['harness.pytest_plugin']\n")
    elsewhere = tmp_path / "elsewhere"
    arguments = (*SMALL, "-n", "2", "--run-dir", str(elsewhere), *SUITE)
    found = call_pytest(
        *("--config-module", "stub_judge", f"--expectations={NO_EXPECTATIONS}"),
        *arguments,
        directory=project,
        rules=[rule("exit")],
    )
    result = Result(status=found.returncode, output=found.stdout, directory=elsewhere)
    assert "unrecognized arguments" not in result.output
    assert result.outcomes(CELL) == CRASHED
    assert len(result.run.started) == 8


def test_crashes_beyond_the_limit_leave_the_rest_not_run(run_pytest: RunPytest) -> None:
    rules = [rule("kill worker", cell="bert*14/dynamo")]
    result = run_pytest(*SMALL, "-n", "1", "--max-worker-restart", "0", rules=rules)
    assert result.status != 0
    assert result.outcomes("bert/fill-mask/opset14/dynamo") == CRASHED
    assert set(result.outcomes(CELL)) == {Outcome.NOT_RUN}
    assert result.run.footer is not None
    assert not result.run.footer.complete


def test_a_lost_record_is_noticed(run_pytest: RunPytest) -> None:
    for workers in ("0", "2"):
        result = run_pytest(*SMALL, "-n", workers, rules=[rule("lost")], run_dir=f"run{workers}")
        assert "1 failed, 7 passed" in result.output
        assert result.status == 1
        assert result.outcomes(CELL) == ["passed", "passed", "errored", *["passed"] * AFTER_CHECKER]
        assert "got no record from the judge, expected a verdict" in result.output


@pytest.mark.parametrize("workers", ["0", "1"])
def test_stopping_at_the_first_failure_is_incomplete(run_pytest: RunPytest, workers: str) -> None:
    rules = [rule("failed", cell="bert/fill-mask/opset14/dynamo")]
    result = run_pytest(*SMALL, "-x", "-n", workers, rules=rules)
    assert result.status in (1, 2)
    assert set(result.outcomes(CELL)) == {Outcome.NOT_RUN}
    footer = result.run.footer
    assert footer is not None
    assert (footer.complete, footer.exit_status) == (False, result.status)
    assert f"incomplete: {footer.counts['not_run']} planned records were not run" in result.output


@pytest.mark.gate
def test_an_interrupt_keeps_what_is_known(run_pytest: RunPytest) -> None:
    result = run_pytest(*SMALL, rules=[rule("interrupt")])
    assert result.status == 2
    assert result.outcomes(CELL) == ["passed", "passed", *["not_run"] * (1 + AFTER_CHECKER)]
    assert result.run.footer is not None
    assert (result.run.footer.complete, result.run.footer.exit_status) == (False, 2)


def test_deselected_cells_are_not_planned(run_pytest: RunPytest) -> None:
    result = run_pytest(*SMALL, "-n", "2", "-k", "opset18 and vit")
    assert result.status == 0, result.output
    assert len(result.run.header.planned) == 2


@pytest.mark.parametrize("workers", ["0", pytest.param("1", marks=pytest.mark.gate)])
def test_killing_the_controller_loses_no_finished_record(
    run_pytest: RunPytest, workers: str
) -> None:
    result = run_pytest(*SMALL, "-n", workers, rules=[rule("kill controller")])
    assert result.status < 0
    run = result.run
    assert run.footer is None
    assert result.outcomes(CELL) == ["passed", "passed", *["not_run"] * (1 + AFTER_CHECKER)]
    assert set(result.outcomes("bert/fill-mask/opset14/dynamo")) == {Outcome.PASSED}
    assert CELL in {str(line.cell) for line in run.started}


def test_the_run_file_is_one_header_lines_in_order_and_one_footer(run_pytest: RunPytest) -> None:
    result = run_pytest(*SMALL, "-n", "2")
    lines = read_lines(result.directory / "run.jsonl")
    kinds = [line["type"] for line in lines]
    assert kinds[0] == "header"
    assert kinds[-1] == "footer"
    assert (kinds.count("started"), kinds.count("record")) == (8, 8 * len(LADDER))
    begun = set()
    for line in lines[1:-1]:
        if line["type"] == "started":
            begun.add(line["cell"])
        assert line["cell"] in begun


def read_lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
