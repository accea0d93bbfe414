"""`make faults`: its output and its exit status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import __main__ as table
from tests.faults.library import Family
from tests.faults.rows import CONFORMS, Row

ROOT = Path(__file__).parents[2]


def test_the_status_is_0_if_every_result_is_as_expected() -> None:
    command = [sys.executable, "-m", "tests.faults", "--jobs", "1", "--only", "renamed"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "all faults" in done.stdout


@pytest.mark.parametrize(
    ("expected", "got"), [("export", CONFORMS), ("export", "agreement"), (CONFORMS, "padding")]
)
def test_the_status_is_1_if_a_result_is_not_as_expected(
    expected: str, got: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = Row(
        name="one",
        kind=str(Family.EDIT),
        subject="bert",
        expected=(expected,),
        got=got,
        peers=False,
        seconds=0.0,
    )
    monkeypatch.setattr(table, "rows", lambda *_, **__: [row])
    assert table.main([]) == 1
    assert f"bert one: got {got}, expected {expected}" in capsys.readouterr().out


@pytest.mark.full
def test_the_table_shows_whether_peers_are_right() -> None:
    command = [sys.executable, "-m", "tests.faults", "--jobs", "1", "--only", "t-mirrors-mask"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (row,) = [line for line in done.stdout.splitlines() if "mirrors-mask" in line]
    assert [cell.strip() for cell in row.split("│")[4:8]] == ["agreement", "agreement", "yes", "no"]
