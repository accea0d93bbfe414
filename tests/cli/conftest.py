"""Fixtures: run commands, and make small models and files for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import harness
from harness.cli import main
from tests.judging_here import judge_here

ROOT = Path(harness.__file__).parent.parent
SCHEMAS = Path(harness.__file__).parent / "schemas"


@dataclass(frozen=True, slots=True)
class Result:
    """Exit status and output of a command."""

    status: int
    out: str
    err: str

    def json(self, schema: str) -> Any:
        """Return the output as JSON, validated against the schema of this name."""
        data = json.loads(self.out)
        text = (SCHEMAS / f"{schema}.schema.json").read_text(encoding="utf-8")
        jsonschema.Draft202012Validator(json.loads(text)).validate(data)
        return data

    def assert_refused(self, *parts: str, status: int = 2) -> None:
        """Assert that stderr is one error line with all `parts`, and stdout empty.

        Progress precedes it only on a machine that needs seconds to find the error.
        """
        assert (self.status, self.out) == (status, ""), self.err
        *before, line = self.err.splitlines()
        assert set(before) <= {"importing torch and ONNX Runtime", "loading the model"}, self.err
        assert line.startswith("error: ")
        for part in parts:
            assert part in line


Run = Callable[..., Result]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process, which has imported torch already, without a child."""
    monkeypatch.setattr("harness.cli.judging.judge_files", judge_here)
    return run_commands(capfd)


@pytest.fixture
def run_with_child(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process, which judges files in a child."""
    return run_commands(capfd)


def run_commands(capfd: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command in this process."""

    def run_here(*arguments: object) -> Result:
        capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        return Result(status, *capfd.readouterr())

    return run_here


@pytest.fixture
def run_process(tmp_path: Path) -> Run:
    """Run a command in a separate process, in the folder `tmp_path`."""

    def run_there(*arguments: object, **environment: str) -> Result:
        command = [sys.executable, "-m", "harness", *map(str, arguments)]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, **environment},
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return run_there


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved BERT for fill-mask."""
    from harness.evidence.models import tiny_model

    folder = tmp_path_factory.mktemp("tiny_bert")
    model: Any = tiny_model("bert", "fill-mask")
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def bert_onnx(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ONNX file of the saved BERT, exported at opset 18."""
    from harness.configs.tasks import TasksManager
    from harness.evidence.models import load_model
    from harness.exporters._api import export

    model = load_model("fill-mask", tiny_bert)
    config = TasksManager.get_exporter_config_constructor("onnx", model, task="fill-mask")(
        model.config
    )
    folder = tmp_path_factory.mktemp("bert_onnx")
    export(model, config, folder, opset=18)
    return folder / "model.onnx"
