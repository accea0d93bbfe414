"""The commands in docs/many-machines.md give each machine its own shard and folder."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.matrix.shards import parse_shard

PAGE = Path(__file__).parents[1] / "docs" / "many-machines.md"
SHARDS = 3
PROGRAM = '#!/bin/sh\necho "$(basename "$0")" "$@" >> "$CALLS"\nexit "$STATUS"\n'


def section(title: str) -> str:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"\n## {title}\n")
    return rest.partition("\n## ")[0]


def blocks(title: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", section(title), flags=re.DOTALL)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with fake pytest and python, which log their calls and exit with `$STATUS`."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("pytest", "python"):
        (folder / name).write_text(PROGRAM)
        (folder / name).chmod(0o755)
    return folder


def run(script: str, programs: Path, *, status: int = 0, **variables: object) -> tuple[int, str]:
    """Return the exit status of a script, and the call that it made."""
    calls = programs.parent / "calls"
    calls.unlink(missing_ok=True)
    runs = programs.parent / "runs"
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "CALLS": str(calls),
        "STATUS": str(status),
        "RUNS": str(runs),
        "SEED": "8",
        **{name: str(value) for name, value in variables.items()},
    }
    done = subprocess.run(["sh", "-euc", script], env=environment, check=False)
    return done.returncode, calls.read_text().strip()


def kubernetes(index: int) -> Mapping[str, Any]:
    return {"JOB_COMPLETION_INDEX": index, "SHARDS": SHARDS}


def slurm(index: int) -> Mapping[str, Any]:
    first = 7  # an array may begin at any index
    return {
        "SLURM_ARRAY_TASK_ID": first + index,
        "SLURM_ARRAY_TASK_MIN": first,
        "SLURM_ARRAY_TASK_COUNT": SHARDS,
    }


@pytest.mark.parametrize("title", ["Kubernetes", "Slurm"])
def test_every_machine_has_its_own_shard_and_folder(title: str, programs: Path) -> None:
    variables = {"Kubernetes": kubernetes, "Slurm": slurm}[title]
    script, _ = blocks(title, "sh")
    shards, folders = set(), set()
    for index in range(SHARDS):
        status, called = run(script, programs, **variables(index))
        found = re.fullmatch(
            r"pytest -n auto --shard (\S+) --hypothesis-seed 8 --run-dir (\S+)", called
        )
        assert found is not None, called
        assert status == 0
        shards.add(parse_shard(found[1]))
        folders.add(found[2])
    assert {shard.index for shard in shards} == set(range(1, SHARDS + 1))
    assert {shard.count for shard in shards} == {SHARDS}
    assert len(folders) == SHARDS


@pytest.mark.parametrize("title", ["Kubernetes", "Slurm"])
@pytest.mark.parametrize(("status", "expected"), [(1, 0), (3, 1), (4, 1)])
def test_failed_cells_are_no_failure_of_a_machine(
    title: str, status: int, expected: int, programs: Path
) -> None:
    variables = {"Kubernetes": kubernetes, "Slurm": slurm}[title]
    script, _ = blocks(title, "sh")
    assert run(script, programs, status=status, **variables(0))[0] == expected


@pytest.mark.parametrize("title", ["Kubernetes", "Slurm"])
def test_the_merge_takes_all_folders(title: str, programs: Path) -> None:
    _, script = blocks(title, "sh")
    runs = programs.parent / "runs"
    for index in range(SHARDS):
        (runs / f"shard-{index}").mkdir(parents=True)
    _, called = run(script, programs)
    given = " ".join(f"{runs}/shard-{index}" for index in range(SHARDS))
    assert called.startswith(f"python -m reports merge {given} -o {runs}/nightly")


def test_the_kubernetes_job_sets_the_variables_of_its_commands() -> None:
    (text,) = blocks("Kubernetes", "yaml")
    spec = yaml.safe_load(text)["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    given = {entry["name"]: entry["value"] for entry in container["env"]}
    read = set(re.findall(r"\$\(?\(?([A-Z_]+)", "".join(blocks("Kubernetes", "sh"))))
    assert read == {*given, "JOB_COMPLETION_INDEX"}
    assert spec["completionMode"] == "Indexed"
    assert str(spec["completions"]) == given["SHARDS"]
