"""The commands of CONTRIBUTING that add an architecture do so, one after the other."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.small_checkout import ROOT, copy_small_checkout

SECTION = re.compile(r"^## Add an architecture$(.*?)^## ", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = {"python": (sys.executable,), "pytest": (sys.executable, "-m", "pytest")}


def commands() -> Iterator[list[str]]:
    """Yield the words of each command in the section."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (section,) = SECTION.findall(text)
    for block in CONSOLE.findall(section):
        yield from map(shlex.split, block.splitlines())


def test_the_section_has_the_commands_of_the_path() -> None:
    words = [" ".join(command[:4]) for command in commands()]
    assert words[0] == "python -m harness scaffold"
    path = (
        "pytest -n auto --profile",
        *(f"python -m harness {n}" for n in ("replay", "agreement")),
    )
    assert {*path, "python -m harness tolerances"} <= set(words[1:])


@pytest.mark.full
def test_the_commands_add_an_architecture(tmp_path: Path) -> None:
    checkout = copy_small_checkout(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    for program, *words in commands():
        done = subprocess.run(
            [*PROGRAMS[program], *words],
            cwd=checkout,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}{done.stderr}"
    assert (checkout / "harness" / "configs" / "architectures" / "segformer.py").is_file()
    assert '"atol"' in (checkout / "fixtures" / "models" / "segformer.json").read_text()
