"""The options that several commands share, and how their values are checked."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import UsageError, suggest
from harness.records import CellId

AUTO = "auto"

Architectures = Annotated[
    str | None, typer.Option("--architecture", metavar="A", help="Globs, a comma list.")
]
ConfigModules = Annotated[
    list[str] | None,
    typer.Option(
        "--config-module", metavar="MODULE", help="Import descriptions from here; repeatable."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")]
Exporters = Annotated[
    str | None, typer.Option("--exporter", metavar="E", help="Globs, a comma list.")
]
Model = Annotated[
    str, typer.Option("--model", metavar="DIR_OR_HUB_ID", help="The PyTorch model to compare with.")
]
Opset = Annotated[
    int | None, typer.Option("--opset", min=1, metavar="N", help="Version of the ai.onnx domain.")
]
Requirements = Annotated[
    list[str] | None,
    typer.Option("--requirement", metavar="R", help="Judge this requirement only; repeatable."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the values that are drawn.")]
Tasks = Annotated[str | None, typer.Option("--task", metavar="T", help="Globs, a comma list.")]
TrustRemoteCode = Annotated[
    bool,
    typer.Option("--trust-remote-code", help="Run the code that the model's repository brings."),
]


def load_descriptions(modules: Iterable[str] | None) -> None:
    """Import the modules of `--config-module`; raises UsageError where one cannot be imported."""
    from harness.configs.plugins import load_config_modules

    load_config_modules(modules or ())


def require_exporter(name: str) -> None:
    """Raise UsageError, with the nearest names, for an exporter that there is not."""
    from harness.exporters import get_exporter

    get_exporter(name)


def require_requirements(names: Sequence[str] | None) -> None:
    """Raise UsageError, with the nearest names, for a requirement that there is not."""
    from harness.requirements import check_requirement_ids

    check_requirement_ids(list(names or ()))


def require_registered(cell: CellId) -> None:
    """Raise UsageError, with the nearest names, for a cell that nothing describes."""
    from harness.configs.tasks import TasksManager
    from harness.configs.transformers_mappings import LIBRARY
    from harness.evidence.models import read_tiny

    if cell.library != LIBRARY:
        raise UsageError(
            f"library {cell.library!r} is not known; {suggest(cell.library, [LIBRARY])}"
        )
    TasksManager.get_exporter_config_constructor(
        "onnx", model_type=cell.architecture, task=cell.task
    )
    read_tiny(cell.architecture, cell.variant)


def require_profile(name: str) -> None:
    """Raise UsageError, with the nearest names, for a profile that there is not."""
    from harness.judge.profiles import get_profile

    get_profile(name)


def require_folder(path: Path) -> None:
    """Raise UsageError where `path` is no folder that can be written, and cannot become one."""
    existing = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        raise UsageError(f"output {path}: {existing} is not a folder that can be written")


def require_tolerance(atol: float | None) -> None:
    """Raise UsageError for a tolerance with which no comparison could pass, or none fail."""
    if atol is not None and not (math.isfinite(atol) and atol >= 0):
        raise UsageError(f"--atol {atol} is no tolerance; give a finite number, at least 0")


def parse_axes(text: str | None) -> dict[str, int] | None:
    """Read `batch_size=1,sequence_length=17`; which sizes are possible, the model decides.

    Raises UsageError for anything that is not of this form.
    """
    if text is None:
        return None
    axes: dict[str, int] = {}
    for item in text.split(","):
        name, _, size = (part.strip() for part in item.partition("="))
        if not (name and size.isascii() and size.isdigit()):
            raise UsageError(f"--axes: {item!r} is not of the form axis=size, as batch_size=1 is")
        if name in axes:
            raise UsageError(f"--axes: {name} is given twice")
        axes[name] = int(size)
    return axes
