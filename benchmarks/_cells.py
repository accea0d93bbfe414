"""The cells that a benchmark is about: how they are chosen, exported bare, and run by pytest."""

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
from harness.matrix.registry import first_opset, read_registry
from harness.records import CellId

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.base import OnnxConfig

ROOT = Path(__file__).resolve().parents[1]
OPTIONS = ("profile", "architecture", "task", "exporter", "opset")
JUDGED_ALL = (0, 1)
"""Statuses with which pytest has judged every cell, green or red."""


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Options that choose cells, as pytest has them."""
    parser.add_argument("--profile", default="smoke")
    parser.add_argument("--architecture", help="comma list of globs")
    parser.add_argument("--task", help="comma list of globs")
    parser.add_argument("--exporter", help="comma list of globs")
    parser.add_argument("--opset", help="such as 14..18,23; default: the profile's")


def for_pytest(options: argparse.Namespace) -> list[str]:
    """The same choice as arguments of pytest, whose smoke is few rows unless some are named."""
    chosen = {name: getattr(options, name) for name in OPTIONS}
    chosen["architecture"] = chosen["architecture"] or "*"
    return [f"--{name}={value}" for name, value in chosen.items() if value is not None]


def selected_cells(options: argparse.Namespace) -> list[CellId]:
    """The chosen cells that are there to be judged, in the order of the matrix."""
    opsets = None if options.opset is None else parse_opsets(options.opset)
    selection = Selection(
        opsets=opsets or get_profile(options.profile).opsets,
        architecture=options.architecture,
        task=options.task,
        exporter=options.exporter,
    )
    return [cell for cell in make_plan(selection, read_registry()) if _is_applicable(cell)]


def _is_applicable(cell: CellId) -> bool:
    if cell.opset < first_opset(cell.architecture, cell.task):
        return False
    return why_not_honoured(get_exporter(cell.exporter), cell.opset) is None


def tiny_cell(cell: CellId) -> tuple[nn.Module, OnnxConfig]:
    """The tiny model of a cell, made anew, and its description."""
    from harness.evidence.models import read_tiny, tiny_model

    model = tiny_model(cell.architecture, cell.task, cell.variant)
    constructor = TasksManager.get_exporter_config_constructor("onnx", model, task=cell.task)
    config = constructor(model.config)
    config.external_data_threshold = read_tiny(cell.architecture, cell.variant).get(THRESHOLD)
    return model, config


def export_seconds(
    exporter: Exporter, cell: CellId, *, clock: Callable[[], float] = time.perf_counter
) -> float:
    """What the export of a cell takes, and nothing beside it, also where it fails."""
    from harness.evidence.session import single_thread

    model, config = tiny_cell(cell)
    with tempfile.TemporaryDirectory() as folder, single_thread():
        start = clock()
        with contextlib.suppress(ExporterError):
            exporter.export(model, config, cell.opset, Path(folder))
        return clock() - start


def pytest_seconds(*arguments: str) -> float:
    """Wall seconds of a run of the suite, from the start of its process to the end."""
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
