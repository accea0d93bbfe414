"""optimum-onnx as its users have it: an environment of its own, saved models, its commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks._cells import tiny_cell
from harness.errors import UsageError
from harness.records import CellId

SAME = ("torch", "onnx", "onnxruntime", "numpy")
"""What both sides have in one version, the one that is installed here."""

REQUIREMENTS = (
    "optimum-onnx[onnxruntime]==0.1.0",
    "transformers==4.57.6",
    *(f"{name}=={version(name).partition('+')[0]}" for name in SAME),
)


@dataclass(frozen=True, slots=True)
class Done:
    """One export with its validation: wall seconds, and what went wrong."""

    seconds: float
    error: str | None


class Optimum:
    """An environment with optimum-onnx, and the tiny models of cells in a form that it reads."""

    def __init__(self, folder: Path, models: Path) -> None:
        self._bin = folder / "bin"
        self._models = models

    def exported(self, cells: Sequence[CellId], *, validation: str) -> list[Done]:
        """All cells in one process, the first of them once more before, to warm up."""
        jobs = [self._job(cell) for cell in (cells[0], *cells)]
        side = Path(__file__).with_name("_optimum_side.py")
        done = _run([str(self._bin / "python"), str(side), validation], json.dumps(jobs))
        if done.returncode != 0:
            raise UsageError(f"optimum-onnx ended with status {done.returncode}: {done.stderr}")
        return [Done(**json.loads(line)) for line in done.stdout.splitlines()]

    def commanded(self, cell: CellId) -> Done:
        """One cell by `optimum-cli export onnx`, from its start to its end."""
        model, opset = str(self.saved(cell)), str(cell.opset)
        options = ["--model", model, "--task", cell.task, "--opset", opset]
        with tempfile.TemporaryDirectory() as output:
            start = time.perf_counter()
            done = _run([str(self._bin / "optimum-cli"), "export", "onnx", *options, output])
            seconds = time.perf_counter() - start
        return Done(seconds, done.stderr[-200:] if done.returncode else None)

    def saved(self, cell: CellId) -> Path:
        """The folder of the cell's tiny model, which is saved when it is first asked for."""
        folder = self._models / f"{cell.architecture}~{cell.variant}" / cell.task
        if not folder.is_dir():
            model: Any = tiny_cell(cell)[0]
            model.save_pretrained(folder)
        return folder

    def _job(self, cell: CellId) -> dict[str, Any]:
        return {"model": str(self.saved(cell)), "task": cell.task, "opset": cell.opset}


def install(folder: Path) -> Path:
    """Make the environment where it is not there yet, or is of other versions."""
    stamp = folder / "requirements.txt"
    text = "\n".join(REQUIREMENTS)
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != text:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        python = folder / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
        stamp.write_text(text, encoding="utf-8")
    return folder


def _run(command: Sequence[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        command,
        input=stdin,
        env={**kept, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
