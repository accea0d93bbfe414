"""Runs optimum-onnx as its users do: in a separate environment, on saved models."""

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
"""The packages that both environments have in the same version: the version installed here."""

REQUIREMENTS = (
    "optimum-onnx[onnxruntime]==0.1.0",
    "transformers==4.57.6",
    *(f"{name}=={version(name).partition('+')[0]}" for name in SAME),
)


@dataclass(frozen=True, slots=True)
class OptimumExport:
    """One export with its validation: wall seconds, and the error message or None."""

    seconds: float
    error: str | None


class Optimum:
    """An environment with optimum-onnx, and the cells' tiny models as saved folders."""

    def __init__(self, folder: Path, models: Path) -> None:
        self._bin = folder / "bin"
        self._models = models

    def export_all(self, cells: Sequence[CellId], *, validation: str) -> list[OptimumExport]:
        """Export all cells in one process, after a first export to warm up.

        Raises UsageError if the process fails.
        """
        jobs = [self._job(cell) for cell in (cells[0], *cells)]
        script = Path(__file__).with_name("_optimum_script.py")
        done = _run([str(self._bin / "python"), str(script), validation], json.dumps(jobs))
        if done.returncode != 0:
            raise UsageError(f"optimum-onnx ended with status {done.returncode}: {done.stderr}")
        return [OptimumExport(**json.loads(line)) for line in done.stdout.splitlines()]

    def export_by_command(self, cell: CellId) -> OptimumExport:
        """Export one cell with `optimum-cli export onnx`; the seconds are the whole process's."""
        model, opset = str(self.saved_model(cell)), str(cell.opset)
        options = ["--model", model, "--task", cell.task, "--opset", opset]
        with tempfile.TemporaryDirectory() as output:
            start = time.perf_counter()
            done = _run([str(self._bin / "optimum-cli"), "export", "onnx", *options, output])
            seconds = time.perf_counter() - start
        return OptimumExport(seconds, done.stderr[-200:] if done.returncode else None)

    def saved_model(self, cell: CellId) -> Path:
        """Return the folder of the cell's tiny model; the first call saves it."""
        folder = self._models / f"{cell.architecture}~{cell.variant}" / cell.task
        if not folder.is_dir():
            model: Any = tiny_cell(cell)[0]
            model.save_pretrained(folder)
        return folder

    def _job(self, cell: CellId) -> dict[str, Any]:
        return {"model": str(self.saved_model(cell)), "task": cell.task, "opset": cell.opset}


def install(folder: Path) -> Path:
    """Create the environment in `folder`, unless it exists with the same requirements."""
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
