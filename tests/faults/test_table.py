"""`make faults`: what it prints, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import __main__ as table
from tests.faults.library import Family
from tests.faults.rows import CONFORMS, Row

ROOT = Path(__file__).parents[2]


def test_it_ends_with_0_where_all_is_as_intended() -> None:
    command = [sys.executable, "-m", "tests.faults", "--jobs", "1", "--only", "renamed"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "all faults" in done.stdout


@pytest.mark.parametrize(
    ("expected", "got"), [("export", CONFORMS), ("export", "agreement"), (CONFORMS, "padding")]
)
def test_it_ends_with_1_where_one_is_not(
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


def test_peers_are_counted_beside() -> None:
    command = [sys.executable, "-m", "tests.faults", "--jobs", "1", "--only", "t-mirrors-mask"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (row,) = [line for line in done.stdout.splitlines() if "mirrors-mask" in line]
    assert [cell.strip() for cell in row.split("│")[4:8]] == ["agreement", "agreement", "yes", "no"]
