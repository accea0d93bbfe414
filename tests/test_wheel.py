"""A built wheel, installed outside the repository, lists, checks and runs the suite."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    build.append(str(ROOT))
    subprocess.run(build, check=True, capture_output=True)
    return next(folder.glob("onnx_conformance-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which `pip install --target` installed the wheel."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    command = [*pip, "install", "--no-deps", "--target", str(folder), str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def _run(installed: Path, cwd: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_contains_packages_and_data_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "harness/fixtures/models/bert.json",
        "harness/fixtures/models/gpt2~external-data.json",
        "harness/fixtures/expectations/dynamo-opset17-pad.cells",
        "harness/fixtures/expectations/dynamo-opset17-pad.toml",
        "harness/fixtures/durations.json",
        "harness/fixtures/left_out.json",
        "harness/schemas/check.schema.json",
        "harness/__init__.pyi",
        "reports/templates/index.html.j2",
        "reports/static/page.css",
        "conformance/test_conformance.py",
    } <= names
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "harness",
        "reports",
        "conformance",
    }


def test_the_installed_package_is_the_one_imported(installed: Path, tmp_path: Path) -> None:
    done = _run(installed, tmp_path, "-c", "import harness; print(harness.__file__)")
    assert Path(done.stdout.strip()).is_relative_to(installed)


def test_the_installed_package_lists(installed: Path, tmp_path: Path) -> None:
    done = _run(installed, tmp_path, "-m", "harness", "list", "--json")
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    assert {entry["architecture"] for entry in listed["architectures"]} >= {"bert", "gpt2", "vit"}


def test_the_installed_package_checks(
    installed: Path, tmp_path: Path, subject: Callable[..., Any], exported: Callable[..., Path]
) -> None:
    subject("bert", "fill-mask").model.save_pretrained(tmp_path / "model")
    words = ("check", exported("bert", "fill-mask"), "--model", tmp_path / "model")
    done = _run(
        installed, tmp_path, "-m", "harness", *words, "--task", "fill-mask", "--opset", "18"
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.full
def test_the_installed_package_runs_the_suite_in_another_project(
    installed: Path, tmp_path: Path
) -> None:
    done = _run(
        installed,
        tmp_path,
        *("-m", "pytest", "--pyargs", "conformance", "-p", "harness.pytest_plugin"),
        *("-p", "no:cacheprovider", "--architecture", "vit", "--exporter", "torchscript"),
        *("--opset", "18", "--profile", "smoke"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(tmp_path.glob("runs/*/run.jsonl"))) == 1
