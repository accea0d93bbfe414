"""`make faults`: what it prints, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("only", "status"), [("renamed", 0), ("leaves-a-hook", 1)])
def test_it_ends_with_1_where_a_fault_passes(only: str, status: int) -> None:
    command = [sys.executable, "-m", "tests.faults", "--jobs", "1", "--only", only]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert ("got conforms, expected export" in done.stdout) is (status == 1)
    assert "all faults" in done.stdout


def test_peers_are_counted_beside() -> None:
    command = [sys.executable, "-m", "tests.faults", "--jobs", "1", "--only", "t-mirrors-mask"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (row,) = [line for line in done.stdout.splitlines() if "mirrors-mask" in line]
    assert [cell.strip() for cell in row.split("│")[4:8]] == ["agreement", "agreement", "yes", "no"]
