"""`check` and `export` judge in a child: its limits, its progress, and how an interrupt ends."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cli.judging import make_limits
from harness.isolation.file_judge import InterruptedJudgingError
from harness.judge.observer import Progress
from harness.records import CellId, CellReport, Outcome, Record

CELL = CellId.parse("bert/fill-mask/opset18/file")
REPORT = CellReport(
    CELL,
    (
        Record(cell=CELL, requirement="export", outcome=Outcome.PASSED),
        Record(cell=CELL, requirement="checker", outcome=Outcome.NOT_RUN, message="interrupted"),
    ),
)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each progress makes a line, also in the first seconds."""
    monkeypatch.setattr("harness.cli.progress.LINE_SECONDS", 0.0)


@pytest.mark.usefixtures("at_once")
def test_a_child_gives_the_verdict_and_stdout_has_nothing_else(
    run_with_child: Any, tiny_bert: Path, bert_onnx: Path
) -> None:
    arguments = ["--model", tiny_bert, "--task", "fill-mask", "--max-examples", "3", "--json"]
    result = run_with_child("check", bert_onnx, *arguments)
    report = result.json("check")
    assert (result.status, report["conforms"]) == (0, True), report
    assert "importing torch and ONNX Runtime" in result.err


def test_bad_input_that_the_child_finds_is_one_line(
    run_with_child: Any, tiny_bert: Path, bert_onnx: Path, tmp_path: Path
) -> None:
    shutil.copy(tiny_bert / "config.json", tmp_path)
    arguments = ["--model", tmp_path, "--task", "fill-mask"]
    run_with_child("check", bert_onnx, *arguments, "--quiet").assert_refused("safetensors")


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("options", "shown"), [(["-q"], ""), ([], "loading the model\n")])
def test_progress_is_on_stderr_unless_quiet(
    options: list[str], shown: str, run: Any, bert_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(*_: Any, on_progress: Callable[[Progress], None], **__: Any) -> CellReport:
        on_progress(Progress(stage="loading the model"))
        return REPORT

    monkeypatch.setattr("harness.cli.judging.judge_files", judge)
    result = run("check", bert_onnx, "--model", "m", "--task", "fill-mask", *options)
    assert (result.status, result.err) == (1, shown)


@pytest.mark.parametrize("as_json", [False, True])
def test_an_interrupt_prints_what_was_found(
    as_json: bool, run: Any, bert_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> CellReport:
        raise InterruptedJudgingError(REPORT)

    monkeypatch.setattr("harness.cli.judging.judge_files", stop)
    options = ["--json"] if as_json else []
    result = run("check", bert_onnx, "--model", "m", "--task", "fill-mask", *options)
    assert result.status == 130
    if as_json:
        assert result.json("check")["conforms"] is False
    else:
        assert result.out.splitlines()[0].startswith("✓  export")
        assert result.out.splitlines()[-1] == f"does not conform: {CELL}"


def test_a_signal_to_end_is_an_interrupt(
    run: Any, bert_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: Any, **__: Any) -> CellReport:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("the signal was ignored")

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("harness.cli.judging.judge_files", end)
    result = run("check", bert_onnx, "--model", "m", "--task", "fill-mask")
    assert (result.status, result.err) == (130, "interrupted\n")
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--cell-timeout", "0"),
        ("--cell-timeout", "soon"),
        ("--cell-memory", "much"),
        ("--max-examples", "0"),
    ],
)
@pytest.mark.parametrize("command", ["check", "export"])
def test_limits_that_cannot_be_read_are_refused(
    command: str, option: str, value: str, run: Any, tiny_bert: Path, bert_onnx: Path
) -> None:
    place = bert_onnx if command == "check" else bert_onnx.parent
    arguments = ["--model", tiny_bert, "--task", "fill-mask", option, value]
    run(command, place, *arguments).assert_refused(option)


def test_limits_are_read_as_pytest_reads_them() -> None:
    limits = make_limits("12", "2G")
    assert (limits.seconds, limits.memory) == (12.0, 2 << 30)
    assert make_limits(None, None).seconds == 3600
