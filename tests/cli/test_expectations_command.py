"""`expectations check` and `expectations update`: statuses, tables, diffs, written files."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from harness.matrix.expectations import UNWRITTEN
from harness.records import CellId, Outcome, Record
from tests.small_runs import write_run

ENTRY = """\
# Kept.
[[expectation]]
architecture = "bert"
task = "fill-mask"
opsets = "9..10"
exporter = "torchscript"
requirement = "export"
reason = "known since long"
issue = "https://example.org/issues/1"
layer = "exporter"
"""


@pytest.fixture
def known(tmp_path: Path) -> Path:
    path = tmp_path / "known.toml"
    path.write_text(ENTRY)
    return path


def test_what_is_committed_can_hold(run: Any) -> None:
    result = run("expectations", "check")
    assert result.status == 0, result.out
    assert "dynamo.toml" in result.out
    assert result.out.endswith("\nno problems\n")


def test_check_counts_entries_and_pairs_and_says_when_one_expires(run: Any, known: Path) -> None:
    inactive = ENTRY.replace('"9..10"', '"11"') + 'versions = { pytest = "<1" }\n'
    expiring = ENTRY.replace('"9..10"', '"12"') + "expires = 9999-01-01\n"
    known.write_text("\n".join([ENTRY, inactive, expiring]))
    result = run("expectations", "check", "--expectations", known)
    assert result.status == 0, result.out
    head, row, reason, verdict = result.out.splitlines()
    assert head.split() == ["file", "entries", "active", "inactive", "pairs", "next", "expiry"]
    assert row.split()[1:] == ["known.toml", "3", "2", "1", "4", "9999-01-01"]
    assert reason == (
        f"inactive: known.toml, entry 2 asks for pytest <1, {version('pytest')} is installed"
    )
    assert verdict == "no problems"


def test_check_lists_everything_that_is_wrong(run: Any, known: Path) -> None:
    known.write_text(ENTRY + ENTRY.replace("bert", "brt") + ENTRY.replace('"export"', '"exprt"'))
    result = run("expectations", "check", "--expectations", known)
    assert result.status == 1
    assert result.err == ""
    wrong = [line for line in result.out.splitlines() if line.startswith(f"{known}: ")]
    assert [line.removeprefix(f"{known}: ").split(":")[0] for line in wrong] == [
        "entry 2",
        "entry 3",
    ]
    assert result.out.endswith("2 problems\n")


def test_descriptions_of_others_count(run_process: Any, tmp_path: Path, known: Path) -> None:
    known.write_text(ENTRY.replace("bert", "theirs"))
    (tmp_path / "their_configs.py").write_text(
        "from harness import BertOnnxConfig, register\n"
        "register('theirs', tasks=['fill-mask'])(BertOnnxConfig)\n"
    )
    words = ("expectations", "check", "--expectations", known)
    assert run_process(*words).status == 1
    assert run_process(*words, "--config-module", "their_configs").status == 0


@pytest.mark.parametrize("command", ["check", "update"])
def test_a_file_that_cannot_be_read_is_wrong_use(
    run: Any, tmp_path: Path, command: str, failed_run: Path
) -> None:
    words = [failed_run] if command == "update" else []
    for content, part in ((None, "cannot be read"), (b"[[x", "is not TOML"), (b"\xff", "UTF-8")):
        path = tmp_path / "bad.toml"
        if content is not None:
            path.write_bytes(content)
        result = run("expectations", command, *words, "--expectations", path)
        result.assert_refused(str(path), part)


@pytest.fixture
def failed_run(tmp_path: Path) -> Path:
    """A run in which the known failure at opset 9 passed, and a new one appeared at 18."""
    return write_run(
        tmp_path / "run",
        record("bert/fill-mask/opset9/torchscript", Outcome.XPASSED),
        record("bert/fill-mask/opset10/torchscript", Outcome.XFAILED),
        record("bert/fill-mask/opset18/torchscript", Outcome.FAILED),
    )


def record(cell: str, outcome: Outcome) -> Record:
    message = f"export: got nothing, expected a file [{cell}]"
    return Record(cell=CellId.parse(cell), requirement="export", outcome=outcome, message=message)


def test_update_prints_a_diff_and_writes_nothing(
    run: Any, known: Path, failed_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(known.parent)
    result = run("expectations", "update", failed_run, "--expectations", "known.toml")
    assert result.status == 0
    assert known.read_text() == ENTRY
    assert '-opsets = "9..10"\n+opsets = "10"\n' in result.out
    assert "known.toml, entry 1: narrowed: of its pairs 1 passed\n" in result.err
    assert "this run was interrupted" in result.err
    subprocess.run(["git", "apply"], cwd=known.parent, input=result.out, text=True, check=True)
    applied = known.read_text()
    known.write_text(ENTRY)
    written = run("expectations", "update", failed_run, "--expectations", "known.toml", "--write")
    assert written.out == result.out
    assert "wrote known.toml\n" in written.err
    assert known.read_text() == applied


def test_what_update_writes_is_refused_until_reasons_are_written(
    run: Any, known: Path, failed_run: Path
) -> None:
    words = ("expectations", "update", failed_run, "--expectations", known, "--write")
    assert run(*words).status == 0
    check = run("expectations", "check", "--expectations", known)
    assert check.status == 1
    assert f"{known}: entry 2: reason is not written yet; " in check.out
    run(*words).assert_refused("entry 2: reason is not written yet", "1 more")
    text = known.read_text().replace(f'issue = "{UNWRITTEN}"', 'issue = "https://example.org"')
    known.write_text(text.replace(UNWRITTEN, "understood"))
    assert run("expectations", "check", "--expectations", known).status == 0
    assert run(*words[:-1]).out == ""


def test_without_a_file_a_new_entry_goes_to_its_exporter_beside_the_tiny_model(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = record("bert/fill-mask/opset18/torchscript", Outcome.FAILED)
    failed_run = write_run(tmp_path / "run", failed)
    theirs = tmp_path / "theirs"
    (theirs / "models").mkdir(parents=True)
    (theirs / "models" / "bert.json").touch()
    monkeypatch.setattr("harness.configs.plugins._fixture_directories", [theirs])
    monkeypatch.chdir(tmp_path)
    result = run("expectations", "update", failed_run, "--write")
    assert result.status == 0, result.err
    assert result.out.startswith("--- /dev/null\n+++ b/theirs/expectations/torchscript.toml\n")
    assert result.out.count("+++ ") == 1
    text = (theirs / "expectations" / "torchscript.toml").read_text()
    assert text.startswith("# Known failures of the torchscript exporter.")
    assert 'opsets = "18"' in text


def test_a_file_that_cannot_be_written_is_one_line(
    run: Any, known: Path, failed_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, text: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("harness.files.write_atomically", refuse)
    result = run("expectations", "update", failed_run, "--expectations", known, "--write")
    assert result.status == 2
    assert f"error: {known}: cannot be written (Permission denied)" in result.err


def test_what_is_no_run_is_refused(run: Any, tmp_path: Path) -> None:
    run("expectations", "update", tmp_path / "none").assert_refused("no run file")
