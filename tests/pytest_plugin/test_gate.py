"""The gate on a pull request, run in a git copy of this checkout with a stub judge."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from pytest_runs import NO_EXPECTATIONS, REPOSITORY, Result, RunPytest, rule

from harness import TasksManager
from harness.matrix.registry import modalities

BERT = "harness/configs/architectures/bert.py"
GATE = ("--changed-since", "main", "--profile", "pr")
PARTS = ("harness", "conformance", "reports", "fixtures", "conftest.py", "pyproject.toml")


def git(directory: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.invalid")
    subprocess.run(["git", *identity, *arguments], cwd=directory, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of this checkout with one commit on `main`, and the branch `work` checked out."""
    directory = tmp_path / "checkout"
    directory.mkdir()
    for part in PARTS:
        source = REPOSITORY / part
        if source.is_dir():
            shutil.copytree(source, directory / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, directory)
    (directory / ".gitignore").write_text("__pycache__/\nrun*/\n")
    (directory / NO_EXPECTATIONS).mkdir()
    git(directory, "init", "--initial-branch", "main")
    git(directory, "add", "--all")
    git(directory, "commit", "--message", "first")
    git(directory, "checkout", "-b", "work")
    return directory


@pytest.fixture
def gate(checkout: Path) -> RunPytest:
    return RunPytest(checkout)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def architectures(result: Result) -> set[str]:
    return {cell.partition("/")[0] for cell in result.run.header.planned}


@pytest.mark.parametrize("workers", ["0", pytest.param("2", marks=pytest.mark.gate)])
def test_a_change_that_selects_nothing_is_green_and_says_so(
    gate: RunPytest, checkout: Path, workers: str
) -> None:
    (checkout / "docs").mkdir()
    (checkout / "docs" / "guide.md").write_text("better")
    edit(checkout / BERT, '"""', '"""Said otherwise: ')
    edit(checkout / BERT, "\n\n\n", "\n\n\n# a comment\n\n")
    result = gate(*GATE, "-n", workers)
    assert result.status == 0, result.output
    assert "changed since main: none of 2 changed files selects a cell\n" in result.output
    assert "changed since main: no change selects a cell\n" in result.output
    assert result.run.header.planned == {}
    footer = result.run.footer
    assert footer is not None
    assert (footer.complete, footer.exit_status) == (True, 0)


@pytest.mark.gate
def test_a_change_of_an_architecture_is_gated_and_nothing_else(
    gate: RunPytest, checkout: Path
) -> None:
    edit(checkout / BERT, 'hidden_size="dim"', 'hidden_size="width"')
    git(checkout, "commit", "--all", "--message", "second")
    edit(checkout / "fixtures/models/gpt2~external-data.json", "128", "256")
    result = gate(*GATE, "-n", "2")
    assert result.status == 0, result.output
    assert architectures(result) == {"distilbert", "gpt2", "gpt2~external-data"}
    assert (
        "changed since main: 2 files select distilbert, gpt2 "
        f"(fixtures/models/gpt2~external-data.json, {BERT})\n" in result.output
    )


def test_a_red_gate_names_the_cells_in_twenty_lines(gate: RunPytest, checkout: Path) -> None:
    edit(checkout / "harness/judge/ladder.py", "import", "import sys\nimport")
    result = gate(*GATE, "-n", "2", rules=[rule("failed", cell="*")])
    assert result.status == 1
    assert "changed since main: 1 file selects the smoke set (harness/judge/ladder.py)\n" in (
        result.output
    )
    every = modalities(TasksManager.architectures())
    assert set(result.run.header.modalities.values()) == set(every.values())
    _, _, ending = result.output.rpartition("= conformance =")
    *summary, verdict = ending.rstrip().splitlines()
    assert " failed" in verdict
    assert len(summary) <= 20
    assert sum(" failed: checker: got 1" in line for line in summary) >= 5
    assert "more, see the page" in ending


def test_other_options_cut_what_a_change_selects(gate: RunPytest, checkout: Path) -> None:
    edit(checkout / BERT, 'hidden_size="dim"', 'hidden_size="width"')
    result = gate(*GATE, "--architecture", "distil*,vit", "--opset", "18", "--shard", "1/2")
    assert architectures(result) == {"distilbert"}
    empty = gate(*GATE, "--architecture", "vit", run_dir="run2")
    assert (empty.status, empty.run.header.planned) == (0, {})


def test_a_reference_that_does_not_exist_is_one_line(gate: RunPytest) -> None:
    result = gate("--changed-since", "origin/mian", "-n", "2")
    assert result.status == 4
    (error,) = result.error_lines
    assert "--changed-since 'origin/mian': it is not a revision here" in error
    assert "bringing up nodes" not in result.output


def test_without_a_repository_it_is_one_line(run_pytest: RunPytest) -> None:
    result = run_pytest(*GATE)
    assert result.status == 4
    (error,) = result.error_lines
    assert "--changed-since 'main': fatal: not a git repository" in error
