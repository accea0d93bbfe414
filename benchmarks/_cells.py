"""The cells of a benchmark: selects them, times their bare exports, times pytest runs."""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.configs.tasks import TasksManager
from harness.errors import ExporterError
from harness.evidence.fixtures import THRESHOLD
from harness.exporters import Exporter, get_exporter, why_not_honoured
from harness.judge.profiles import get_profile
from harness.matrix.opsets import parse_opsets
from harness.matrix.plan import Selection, make_plan
from harness.matrix.registry import read_registry
from harness.records import CellId

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.base import OnnxConfig

ROOT = Path(__file__).resolve().parents[1]
OPTIONS = ("profile", "architecture", "task", "exporter", "opset")
JUDGED_ALL = (0, 1)
"""Exit statuses of pytest after which every cell has been judged: green or red."""


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the options that select cells; they are the same as pytest's."""
    parser.add_argument("--profile", default="smoke")
    parser.add_argument("--architecture", help="comma list of globs")
    parser.add_argument("--task", help="comma list of globs")
    parser.add_argument("--exporter", help="comma list of globs")
    parser.add_argument("--opset", help="such as 14..18,23; default: the profile's")


def for_pytest(options: argparse.Namespace) -> list[str]:
    """Return the selection as pytest arguments.

    Without `--architecture`, pytest's smoke profile takes only a few rows, so it is always given.
    """
    chosen = {name: getattr(options, name) for name in OPTIONS}
    chosen["architecture"] = chosen["architecture"] or "*"
    return [f"--{name}={value}" for name, value in chosen.items() if value is not None]


def selected_cells(options: argparse.Namespace) -> list[CellId]:
    """Return the selected cells that are applicable, in the order of the matrix."""
    opsets = None if options.opset is None else parse_opsets(options.opset)
    selection = Selection(
        opsets=opsets or get_profile(options.profile).opsets,
        architecture=options.architecture,
        task=options.task,
        exporter=options.exporter,
    )
    return [cell for cell in make_plan(selection, read_registry()) if _is_applicable(cell)]


def _is_applicable(cell: CellId) -> bool:
    return why_not_honoured(get_exporter(cell.exporter), cell.opset) is None


def tiny_cell(cell: CellId) -> tuple[nn.Module, OnnxConfig]:
    """Return a new tiny model of a cell, and its description."""
    from harness.evidence.models import read_tiny, tiny_model

    model = tiny_model(cell.architecture, cell.task, cell.variant)
    constructor = TasksManager.get_exporter_config_constructor("onnx", model, task=cell.task)
    config = constructor(model.config)
    config.external_data_threshold = read_tiny(cell.architecture, cell.variant).get(THRESHOLD)
    return model, config


def export_seconds(
    exporter: Exporter, cell: CellId, *, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Return the seconds of one export call alone, whether it succeeds or raises ExporterError."""
    from harness.evidence.session import single_thread

    model, config = tiny_cell(cell)
    with tempfile.TemporaryDirectory() as folder, single_thread():
        start = clock()
        with contextlib.suppress(ExporterError):
            exporter.export(model, config, cell.opset, Path(folder))
        return clock() - start


def pytest_seconds(*arguments: str) -> float:
    """Return the wall seconds of a pytest run, from the start of its process to the end.

    Raises SystemExit if the run does not judge every cell.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        start = time.perf_counter()
        done = subprocess.run(
            [*command, f"--run-dir={folder}/run", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - start
    if done.returncode not in JUDGED_ALL:
        raise SystemExit(f"{' '.join(done.args)}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return seconds
