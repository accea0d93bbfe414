"""Items of cells: which exist, and how each ends."""

from __future__ import annotations

import html
from pathlib import Path

import pytest
from pytest_runs import (
    AFTER_CHECKER,
    CELL,
    LADDER,
    REPOSITORY,
    SMALL,
    RunPytest,
    call_pytest,
    rule,
)

from harness.exporters import exporter_names, get_exporter
from harness.records import Outcome
from harness.requirements import ladder
from reports.history import open_history


def collect(*arguments: str) -> str:
    """Return what pytest collects in this repository, whose root conftest loads the plug-in."""
    quiet = ("-p", "no:cacheprovider", "--collect-only", "-q")
    found = call_pytest(*quiet, *arguments, directory=REPOSITORY)
    assert found.returncode == 0, found.stdout + found.stderr
    listing: str = found.stdout
    return listing


@pytest.mark.full
def test_node_ids_contain_the_cell_id() -> None:
    found = collect("conformance", "--architecture", "bert,vit", "--opset", "18")
    assert f"conformance/test_conformance.py::test_cell[{CELL}]" in found.splitlines()


def test_a_variant_has_items_of_its_own(run_pytest: RunPytest) -> None:
    task = "text-generation-with-past/opset18"
    cells = [f"{name}/{task}/dynamo" for name in ("gpt2", "gpt2~external-data")]
    arguments = ("--architecture", "gpt2", "--exporter", "dynamo", "-n", "2")
    selection = ("--task", "text-generation-with-past", "--opset", "18")
    result = run_pytest(*arguments, *selection, rules=[rule("failed", cell="gpt2~*")])
    assert list(result.run.header.planned) == cells
    found = [result.outcomes(cell)[LADDER.index("checker")] for cell in cells]
    assert found == ["passed", "failed"]


@pytest.mark.full
def test_k_selects_by_cell_id() -> None:
    found = collect("conformance", "--opset", "14,18", "-k", "opset18 and vit and torchscript")
    cells = [line for line in found.splitlines() if "test_cell[" in line]
    assert cells
    assert all("[vit/" in cell and "/opset18/torchscript]" in cell for cell in cells)


@pytest.mark.gate
@pytest.mark.parametrize("chosen", [("--opset", "18"), ("--profile", "pr")], ids=" ".join)
def test_collection_imports_nothing_heavy(
    run_pytest: RunPytest, project: Path, chosen: tuple[str, ...]
) -> None:
    (project / "heavy.py").write_text(
        "import sys\n"
        "NAMES = {'torch', 'transformers', 'onnx', 'onnxruntime', 'numpy'}\n"
        "def pytest_collection_finish(session):\n"
        "    print('heavy:', len(session.items), sorted(NAMES & set(sys.modules)))\n"
    )
    for name in exporter_names():
        assert get_exporter(name).opsets  # probed and kept, as by any run before
    collected = run_pytest("--collect-only", "-s", "-p", "heavy", *chosen, stub=False)
    count, _, names = collected.output.partition("heavy: ")[2].partition("\n")[0].partition(" ")
    assert int(count) > 30
    assert names == "[]"
    assert not collected.directory.exists()


@pytest.mark.gate
def test_unrelated_runs_see_no_options(project: Path) -> None:
    found = call_pytest("--help", directory=project)
    assert "--verbose" in found.stdout
    assert "--architecture" not in found.stdout


def test_a_session_without_cells_writes_and_prints_nothing(
    run_pytest: RunPytest, project: Path
) -> None:
    (project / "test_other.py").write_text("def test_it(): pass\n")
    for workers in ("0", "2"):
        result = run_pytest(
            "-n", workers, run_dir=None, expectations=None, suite=("test_other.py",), stub=False
        )
        assert result.status == 0, result.output
        assert "conformance" not in result.output
        assert not (project / "runs").exists()


def test_other_tests_of_the_name_cell_are_left_alone(run_pytest: RunPytest, project: Path) -> None:
    (project / "test_other.py").write_text(
        "import pytest\n"
        f"@pytest.mark.parametrize('cell', ['{CELL}'])\n"
        "def test_parse(cell): assert cell\n"
    )
    result = run_pytest(run_dir=None, expectations=None, suite=("test_other.py",), stub=False)
    assert result.status == 0, result.output
    assert "conformance" not in result.output


@pytest.mark.gate
def test_all_passing_is_green(run_pytest: RunPytest) -> None:
    result = run_pytest(*SMALL)
    assert result.status == 0, result.output
    run = result.run
    assert list(run.header.planned.values()) == [LADDER] * 8
    assert run.header.modalities == {"bert": "text", "vit": "vision"}
    assert "fill-mask" in run.header.not_registered["mra"]
    assert run.footer.ended >= run.header.started
    assert run.header.versions["torch"] != "unknown"
    assert list(run.header.requirements) == LADDER
    assert set(result.outcomes(CELL)) == {Outcome.PASSED}
    assert {str(line.cell) for line in run.started} == set(run.header.planned)
    assert run.footer is not None
    assert (run.footer.exit_status, run.footer.complete) == (0, True)
    assert run.footer.counts == {"passed": 8 * len(LADDER)}
    assert not (result.directory / "journals").exists()


def test_the_run_file_says_what_each_planned_requirement_means(run_pytest: RunPytest) -> None:
    result = run_pytest(*SMALL, "--requirement", "checker,agreement")
    ids = ["checker", "agreement"]
    expected = [(r.proves, r.fails_when) for r in ladder() if r.id in ids]
    found = result.run.header.requirements
    assert list(found) == ids
    assert [(meaning.proves, meaning.fails_when) for meaning in found.values()] == expected
    page = (result.directory / "index.html").read_text(encoding="utf-8")
    assert page.count(html.escape(expected[0][1])) == 1


@pytest.mark.gate
def test_a_failing_item_shows_all_its_findings_and_nothing_else(run_pytest: RunPytest) -> None:
    rules = [rule("failed"), rule("inconclusive", requirement="agreement")]
    result = run_pytest(*SMALL, rules=rules)
    assert result.status == 1
    assert "1 failed, 7 passed" in result.output
    for requirement, outcome in (("checker", "failed"), ("agreement", "inconclusive")):
        assert f"  {requirement}: {outcome}\n" in result.output
        assert f"    {requirement}: got 1, expected 2 [{CELL}]\n    second line" in result.output
    shown, _, _ = result.output.partition("short test summary")  # has them again where CI is set
    assert shown.count(f"second line\n    replay: python -m harness replay {CELL}\n") == 2
    assert "Traceback" not in result.output
    assert "runner.py" not in result.output


@pytest.mark.parametrize(
    "outcome", ["failed", "inconclusive", "errored", "crashed", "timed_out", "xpassed", "not_run"]
)
def test_every_bad_outcome_is_red(run_pytest: RunPytest, outcome: str) -> None:
    result = run_pytest(*SMALL, "-k", CELL, rules=[rule(outcome)])
    assert result.status == 1
    assert f"{CELL} {outcome}: checker: got 1, expected 2 [{CELL}]" in result.output


def test_a_cell_that_is_not_applicable_is_skipped_with_the_reason(run_pytest: RunPytest) -> None:
    rules = [rule("not_applicable", requirement="*")]
    result = run_pytest(*SMALL, "-rs", rules=rules)
    assert result.status == 0
    assert "7 passed, 1 skipped" in result.output
    assert f"export: got 1, expected 2 [{CELL}]" in result.output


def test_a_judge_that_breaks_is_an_error_of_the_harness(run_pytest: RunPytest) -> None:
    result = run_pytest(*SMALL, rules=[rule("raise")])
    assert result.status == 1
    assert result.outcomes(CELL)[:4] == ["passed", "passed", "errored", "skipped"]
    assert (
        "got RuntimeError('the judge is broken') from the judge, expected a verdict"
        in result.output
    )
    assert "1 failed, 7 passed" in result.output


@pytest.mark.parametrize("do", ["omit", "unwritable"])
def test_a_record_that_the_judge_leaves_out_is_an_error(run_pytest: RunPytest, do: str) -> None:
    result = run_pytest(*SMALL, rules=[rule(do)])
    assert result.status == 1
    assert result.outcomes(CELL) == ["passed", "passed", "errored", *["passed"] * AFTER_CHECKER]


@pytest.mark.gate
def test_options_reach_the_judge(run_pytest: RunPytest) -> None:
    given = run_pytest(*SMALL, "--profile", "smoke", "--max-examples", "7")
    assert given.run.header.seed == 0
    assert {record.blame.split()[0] for record in given.run.records.values() if record.blame} == {
        "7"
    }


def read_seed(output: str) -> str:
    return output.partition("seed ")[2].partition(",")[0]


def test_the_summary_counts_cells_by_modality(run_pytest: RunPytest) -> None:
    result = run_pytest(*SMALL, rules=[rule("failed")])
    lines = result.output.splitlines()
    start = lines.index("modality  cells  failed  passed")
    assert lines[start + 1 : start + 5] == [
        "text          4       1       3",
        "vision        4       0       4",
        "total         8       1       7",
        "7 of 8 cells ended as expected",
    ]
    assert f"run file: {result.directory / 'run.jsonl'}" in lines
    assert f"page: {result.directory / 'index.html'}" in lines
    assert (result.directory / "index.html").is_file()


def test_the_summary_shows_some_bad_cells_the_worst_first(run_pytest: RunPytest) -> None:
    rows = ("--architecture", "bert", "--task", "fill-mask", "--opset", "9..14")
    arguments = (*rows, "--exporter", "dynamo,torchscript")
    last = "bert/fill-mask/opset14/torchscript"
    rules = [rule("failed", cell=last), rule("inconclusive", cell="*")]
    result = run_pytest(*arguments, rules=rules)
    summary = result.output.partition("= conformance =")[2].splitlines()
    listed = [line for line in summary if ": checker: got 1" in line]
    assert len(listed) == 8
    assert listed[0].startswith(f"{last} failed: ")
    assert "... and 4 more, see the page" in summary


def test_a_page_that_cannot_be_written_does_not_hide_the_verdict(
    run_pytest: RunPytest, project: Path
) -> None:
    (project / "run" / "index.html").mkdir(parents=True)
    result = run_pytest(*SMALL)
    assert result.status == 0
    assert "page: not written (" in result.output
    assert result.run.footer is not None


def test_each_run_is_added_to_the_history_beside_it(run_pytest: RunPytest, project: Path) -> None:
    run_pytest(*SMALL, run_dir="first")
    shard = run_pytest(*SMALL, "--shard=1/2", run_dir="second")
    run_pytest(*SMALL, run_dir="third", rules=[rule("failed")])
    with open_history(project / "history.sqlite", writable=False) as history:
        expected = [(run.name, run.level) for run in history.runs()]
    assert expected == [("first", "green"), ("third", "red")]
    assert shard.run.header.shard is not None


def test_a_history_that_cannot_be_written_does_not_hide_the_verdict(
    run_pytest: RunPytest, project: Path
) -> None:
    (project / "history.sqlite").write_text("no database, and longer than a header would be" * 9)
    result = run_pytest(*SMALL)
    assert result.status == 0
    assert "history: not written (" in result.output
    assert "python -m reports trend" in result.output
