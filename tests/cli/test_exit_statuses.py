"""Every error is one line on stderr; the exit status tells usage from internal errors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

COMMANDS = [
    "agreement",
    "list",
    "export",
    "check",
    "replay",
    "promote",
    "durations",
    "scaffold",
    "tolerances",
    "doctor",
    "expectations",
]
CHECK = ["check", "model.onnx", "--model", "m", "--task", "fill-mask"]
CELL = "bert/fill-mask/opset18/dynamo"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        *([command] for command in COMMANDS),
        ["expectations", "check"],
        ["expectations", "update"],
    ],
)
def test_help(arguments: list[str], run: Any) -> None:
    result = run(*arguments, "--help")
    assert result.status == 0
    assert f"Usage: python -m harness{''.join(f' {name}' for name in arguments)}" in result.out


def test_help_names_every_command(run: Any) -> None:
    assert all(command in run("--help").out for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "command"),
        (["nonsense"], "nonsense"),
        (["list", "--nonsense"], "--nonsense"),
        (["list", "extra"], "extra"),
        (["check"], "FILE_OR_FOLDER"),
        (["check", "model.onnx", "--task", "fill-mask"], "--model"),
        (["check", "model.onnx", "--model", "m"], "--task"),
        (["export", "out"], "--model"),
        ([*CHECK, "--opset", "eighteen"], "--opset"),
        ([*CHECK, "--opset", "0"], "--opset"),
        ([*CHECK, "--seed", "-1"], "--seed"),
        ([*CHECK, "--atol", "small"], "--atol"),
        ([*CHECK, "--atol", "nan"], "--atol"),
        ([*CHECK, "--atol", "inf"], "--atol"),
        ([*CHECK, "--atol", "-0.1"], "--atol"),
        ([*CHECK, "--requirement", "agrement"], "agreement"),
        ([*CHECK, "--profile", "nightli"], "nightly"),
        (["export", "--model", "m", "--exporter", "dynmo", "out"], "dynamo"),
        (["replay", "nonsense"], "architecture/task/opset18/exporter"),
        (["replay", "brt/fill-mask/opset18/dynamo"], "bert"),
        (["replay", "bert/fil-mask/opset18/dynamo"], "fill-mask"),
        (["replay", "bert/fill-mask/opset18/dynmo"], "dynamo"),
        (["replay", "bert~tall/fill-mask/opset18/dynamo"], "bert~tall"),
        (["replay", "tranformers:bert/fill-mask/opset18/dynamo"], "transformers"),
        (["replay", CELL, "--requirement", "agrement"], "agreement"),
        (["replay", CELL, "--axes", "batch_size"], "batch_size"),
        (["replay", CELL, "--axes", "batch_size=two"], "batch_size=two"),
        (["replay", CELL, "--axes", "batch_size=-1"], "batch_size=-1"),
        (["replay", CELL, "--axes", "batch_size=1,batch_size=2"], "twice"),
        (["replay", CELL, "--axes", "batch_size=0"], "batch_size"),
        (["replay", CELL, "--axes", "batch=1"], "batch_size"),
        (["tolerances", "--architecture", "brt"], "bert"),
        (["tolerances", "--task", "fil-mask"], "fill-mask"),
        (["tolerances", "--exporter", "dynmo"], "dynamo"),
        (["tolerances", "--opset", "eighteen"], "--opset"),
        (["tolerances", "--max-examples", "0"], "--max-examples"),
        (["tolerances", "--seed", "-1"], "--seed"),
        (["tolerances", "--architecture", "vit", "--task", "fill-mask"], "selects no cell"),
        (["doctor", "--nonsense"], "--nonsense; see python -m harness doctor --help"),
        (["expectations"], "command; see python -m harness expectations --help"),
        (["expectations", "chekc"], "'chekc'"),
        (["expectations", "check", "--x"], "--x; see python -m harness expectations check --help"),
        (["expectations", "update"], "see python -m harness expectations update --help"),
    ],
)
def test_bad_usage_is_one_line(arguments: list[str], part: str, run: Any) -> None:
    run(*arguments).assert_refused(part)


def test_an_error_inside_the_harness_leaves_its_traceback_in_a_file(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr("harness.cli.listing.read_listing", fail)
    result = run("list", "--json")
    assert (result.status, result.out) == (3, "")
    match = re.fullmatch(
        r"internal error: RuntimeError: first line; traceback in (\S+)\n", result.err
    )
    assert match is not None, result.err
    log = Path(match[1])
    assert "RuntimeError: first line\nsecond line" in log.read_text(encoding="utf-8")
    log.unlink()


def test_an_interrupt_is_one_line(run_process: Any, tmp_path: Path) -> None:
    (tmp_path / "interrupting.py").write_text("raise KeyboardInterrupt")
    result = run_process("list", "--config-module", "interrupting")
    assert (result.status, result.out, result.err) == (130, "", "interrupted\n")


def test_what_libraries_print_stays_off_stdout(run_process: Any, tmp_path: Path) -> None:
    (tmp_path / "noisy.py").write_text(
        "import ctypes, os\n"
        "print('from Python')\n"
        "os.write(1, b'from the descriptor\\n')\n"
        "ctypes.CDLL(None).printf(b'from C, buffered\\n')\n"
    )
    result = run_process("list", "--config-module", "noisy", "--json")
    result.json("list")
    for source in ("Python", "the descriptor", "C, buffered"):
        assert f"from {source}\n" in result.err


def test_a_terminal_without_unicode_gets_something_to_read(run_process: Any) -> None:
    result = run_process("list", "--architecture", "bert", PYTHONIOENCODING="ascii")
    assert result.status == 0
    assert "bert" in result.out
