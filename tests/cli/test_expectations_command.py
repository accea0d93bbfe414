"""`expectations check` and `expectations update`: statuses, tables, diffs, written files."""

from __future__ import annotations

import subprocess
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from harness.matrix.expectations import UNWRITTEN
from harness.records import CellId, Outcome, Record
from tests.small_runs import write_run
from tests.written_findings import write_finding

CELLS = [f"bert/fill-mask/opset{opset}/torchscript" for opset in (9, 10)]
KEYS = {
    "exporter": "torchscript",
    "opsets": "9..12",
    "requirement": "export",
    "message": "got nothing",
    "example": "export: got nothing, expected a file",
}


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """A folder with one finding."""
    return write_finding(tmp_path / "known", **KEYS, cells=CELLS).parent


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_what_is_committed_can_hold(run: Any) -> None:
    result = run("expectations", "check")
    assert result.status == 0, result.out
    assert "dynamo-opset17-pad" in result.out
    assert result.out.endswith("\nno problems\n")


def test_check_shows_findings_with_their_cells_and_says_when_one_expires(
    run: Any, known: Path
) -> None:
    write_finding(known, "later", expires=date(9999, 1, 1), layer="onnx")
    write_finding(known, "never", requirement="opset", versions={"pytest": "<1"})
    result = run("expectations", "check", "--expectations", known)
    assert result.status == 0, result.out
    head, *rows, reason, verdict = result.out.splitlines()
    assert head.split() == ["finding", "layer", "opsets", "cells", "expires"]
    assert [row.split()[1:] for row in rows] == [
        ["known", "onnxscript", "9..12", "2", "never"],
        ["later", "onnx", "18..20,23", "1", "9999-01-01"],
        ["never", "onnxscript", "18..20,23", "1", "never"],
    ]
    assert reason == f"inactive: never.toml asks for pytest <1, {version('pytest')} is installed"
    assert verdict == "no problems"


def test_check_lists_everything_that_is_wrong(run: Any, known: Path) -> None:
    write_finding(known, "wrong", layer="x", reason=" ")
    (known / "known.cells").write_text("".join(f"{cell}\n" for cell in CELLS))  # not sorted
    result = run("expectations", "check", "--expectations", known)
    assert result.status == 1
    assert result.err == ""
    lines = [line for line in result.out.splitlines() if line.startswith(f"{known}/")]
    assert [line.removeprefix(f"{known}/").partition(":")[0] for line in lines] == [
        "known.cells",
        "wrong.toml",
        "wrong.toml",
    ]
    assert result.out.endswith("3 problems\n")
    assert "✗  known" in result.out


def test_descriptions_of_others_count(run_process: Any, tmp_path: Path) -> None:
    path = write_finding(tmp_path, cells=["theirs/fill-mask/opset18/dynamo"])
    (tmp_path / "their_configs.py").write_text(
        "from harness import BertOnnxConfig, register\n"
        "register('theirs', tasks=['fill-mask'])(BertOnnxConfig)\n"
    )
    words = ("expectations", "check", "--expectations", path)
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
    """A run in which a known failure passed, and one of another cell and a new one appeared."""
    return write_run(
        tmp_path / "run",
        record(CELLS[0], Outcome.XPASSED),
        record(CELLS[1], Outcome.XFAILED, expectation={"source": "known.toml"}),
        record("bert/fill-mask/opset11/torchscript", Outcome.FAILED),
        record("bert/fill-mask/opset18/torchscript", Outcome.FAILED, got="an error"),
    )


def record(cell: str, outcome: Outcome, *, got: str = "nothing", **fields: Any) -> Record:
    message = f"export: got {got}, expected a file [{cell}]"
    parsed = CellId.parse(cell)
    return Record(cell=parsed, requirement="export", outcome=outcome, message=message, **fields)


def test_update_prints_a_diff_and_writes_nothing(
    run: Any, known: Path, failed_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(known.parent)
    before = contents(known)
    result = run("expectations", "update", failed_run, "--expectations", "known")
    assert result.status == 0
    assert contents(known) == before
    assert f" {CELLS[1]}\n-{CELLS[0]}\n+bert/fill-mask/opset11/torchscript\n" in result.out
    assert "known.toml: 1 pairs added, 1 removed (1 passed)\n" in result.err
    assert "this run was interrupted" in result.err
    subprocess.run(["git", "apply"], cwd=known.parent, input=result.out, text=True, check=True)
    applied = contents(known)
    assert set(applied) == {
        *("known.toml", "known.cells"),
        *("torchscript-opset18-export.toml", "torchscript-opset18-export.cells"),
    }
    for path in known.glob("torchscript-*"):
        path.unlink()
    (known / "known.cells").write_text(before["known.cells"])
    written = run("expectations", "update", failed_run, "--expectations", "known", "--write")
    assert written.out == result.out
    assert "wrote known/known.cells\n" in written.err
    assert contents(known) == applied


def test_a_finding_that_is_met_nowhere_is_removed(
    run: Any, known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(known.parent)
    mended = write_run(tmp_path / "run", *(record(cell, Outcome.XPASSED) for cell in CELLS))
    words = ("expectations", "update", mended, "--expectations", "known")
    subprocess.run(["git", "apply"], cwd=tmp_path, input=run(*words).out, text=True, check=True)
    assert not known.exists()  # git removes empty folders
    write_finding(known, **KEYS, cells=CELLS)
    assert "removed known/known.toml\n" in run(*words, "--write").err
    assert contents(known) == {}


def test_what_update_writes_is_refused_until_reasons_are_written(
    run: Any, known: Path, failed_run: Path
) -> None:
    words = ("expectations", "update", failed_run, "--expectations", known, "--write")
    assert run(*words).status == 0
    new = known / "torchscript-opset18-export.toml"
    check = run("expectations", "check", "--expectations", known)
    assert check.status == 1
    assert f"{new}: reason is not written yet; " in check.out
    run(*words).assert_refused(f"{new}: reason is not written yet", "1 more")
    text = new.read_text().replace(f'issue = "{UNWRITTEN}"', 'issue = "https://example.org"')
    new.write_text(text.replace(UNWRITTEN, "understood"))
    assert run("expectations", "check", "--expectations", known).status == 0
    assert run(*words[:-1]).out == ""


def test_of_one_file_the_list_is_updated_and_new_findings_stand_beside_it(
    run: Any, known: Path, failed_run: Path
) -> None:
    words = ("expectations", "update", failed_run, "--expectations", known / "known.toml")
    assert run(*words, "--write").status == 0
    assert CELLS[0] not in (known / "known.cells").read_text()
    assert (known / "torchscript-opset18-export.cells").exists()


def test_without_a_folder_a_new_finding_stands_beside_the_tiny_model(
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
    name = "theirs/expectations/torchscript-opset18-export"
    assert result.out.startswith(f"--- /dev/null\n+++ b/{name}.toml\n")
    assert result.out.count("+++ ") == 2
    assert 'opsets = "18"' in (tmp_path / f"{name}.toml").read_text()
    assert (tmp_path / f"{name}.cells").read_text() == f"{failed.cell}\n"


def test_a_file_that_cannot_be_written_is_one_line(
    run: Any, known: Path, failed_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, text: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("harness.files.write_atomically", refuse)
    result = run("expectations", "update", failed_run, "--expectations", known, "--write")
    assert result.status == 2
    assert f"error: {known / 'known.cells'}: cannot be written (Permission denied)" in result.err


def test_what_is_no_run_is_refused(run: Any, tmp_path: Path) -> None:
    run("expectations", "update", tmp_path / "none").assert_refused("no run file")
