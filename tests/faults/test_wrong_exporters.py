"""Wrong exporters are refused by the intended requirement, through pytest and through `check`."""

from __future__ import annotations

import importlib
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import CellReport, Outcome, check, register_exporter
from harness.exporters import get_exporter
from harness.records import Run, read_run

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MODULE = "wrong_exporters"

BERT = ("bert", "question-answering")
GPT2 = ("gpt2", "text-generation-with-past")

# (wrong exporter, architecture, task) -> the requirement that must refuse it.
INTENDED = {
    **{
        (name, *cell): requirement
        for cell in (BERT, GPT2)
        for name, requirement in {
            "drops-input": "interface",
            "freezes-batch": "dynamic-axes",
            "mislabels-opset": "opset",
            "adds-offset": "agreement",
            "swaps-outputs": "agreement",
            "renames-output": "interface",
            "emits-float64": "interface",
        }.items()
    },
    ("crosses-layers", *GPT2): "agreement",
}


def _first_refusal(report: CellReport) -> str | None:
    return next((r.requirement for r in report.records if r.outcome is Outcome.FAILED), None)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, int]:
    """A run of the suite over every wrong exporter: its run file and pytest's exit status."""
    directory = tmp_path_factory.mktemp("run")
    command = [sys.executable, "-m", "pytest", "-n", "2", "-p", "no:cacheprovider"]
    command += ["--config-module", MODULE, "--exporter", "wrong-*", "--opset", "18"]
    command += ["--architecture", "bert,gpt2", "--task", f"{BERT[1]},{GPT2[1]}"]
    command += ["--profile", "smoke", f"--run-dir={directory}"]
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (directory / "run.jsonl").is_file(), done.stdout + done.stderr
    return read_run(directory), done.returncode


def _report(run: Run, name: str, architecture: str, task: str) -> CellReport:
    cell = f"{architecture}/{task}/opset18/wrong-{name}"
    return next(report for report in run.reports() if str(report.cell) == cell)


@pytest.mark.parametrize(("name", "architecture", "task"), INTENDED)
def test_pytest_refuses_it(name: str, architecture: str, task: str, run: tuple[Run, int]) -> None:
    report = _report(run[0], name, architecture, task)
    assert _first_refusal(report) == INTENDED[name, architecture, task], report
    assert run[1] == 1


@pytest.mark.parametrize(("architecture", "task"), [BERT, GPT2])
def test_the_correct_one_passes_in_the_same_run(
    architecture: str, task: str, run: tuple[Run, int]
) -> None:
    assert _report(run[0], "correct-control", architecture, task).conforms


def test_every_failure_prints_a_replay_command_that_fails_again(run: tuple[Run, int]) -> None:
    """One for each requirement that failed on an example; the others are replayed the same way."""
    commands = {
        record.requirement: record.replay
        for report in run[0].reports()
        for record in report.records
        if record.outcome is Outcome.FAILED
    }
    assert set(INTENDED.values()) <= set(commands)
    for requirement, command in commands.items():
        assert command is not None
        words = shlex.split(command.removeprefix("python "))  # a variant's `~` is quoted
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(HERE), str(ROOT)))}
        done = subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, (requirement, command, done.stdout, done.stderr)


@pytest.fixture
def _wrong_exporters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)
    for exporter in importlib.import_module(MODULE).EXPORTERS:
        register_exporter(exporter)


@pytest.mark.usefixtures("_wrong_exporters")
@pytest.mark.parametrize(("name", "architecture", "task"), INTENDED)
def test_check_refuses_its_file(
    name: str, architecture: str, task: str, subject: Callable[..., Any], tmp_path: Path
) -> None:
    one = subject(architecture, task)
    get_exporter(f"wrong-{name}").export(one.model, one.config, 18, tmp_path)
    report = check(tmp_path, one.model, task, opset=18, profile="smoke")
    assert not report.conforms
    assert _first_refusal(report) == INTENDED[name, architecture, task], report


@pytest.mark.usefixtures("_wrong_exporters")
@pytest.mark.parametrize(("architecture", "task"), [BERT, GPT2])
def test_check_accepts_the_correct_file(
    architecture: str, task: str, subject: Callable[..., Any], tmp_path: Path
) -> None:
    one = subject(architecture, task)
    get_exporter("wrong-correct-control").export(one.model, one.config, 18, tmp_path)
    assert check(tmp_path, one.model, task, opset=18, profile="smoke").conforms
