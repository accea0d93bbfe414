"""Options that several commands share, and checks of their values."""

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
    str | None,
    typer.Option(
        "--architecture", metavar="A", help="Architectures to select: globs, comma-separated."
    ),
]
ConfigModules = Annotated[
    list[str] | None,
    typer.Option(
        "--config-module",
        metavar="MODULE",
        help="Import this module, which registers configs or exporters; repeatable.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else.")]
Exporters = Annotated[
    str | None,
    typer.Option("--exporter", metavar="E", help="Exporters to select: globs, comma-separated."),
]
Model = Annotated[
    str,
    typer.Option(
        "--model", metavar="DIR_OR_HUB_ID", help="The PyTorch model: a folder or a Hub id."
    ),
]
Opset = Annotated[
    int | None,
    typer.Option("--opset", min=1, metavar="N", help="Opset version of the ai.onnx domain."),
]
Requirements = Annotated[
    list[str] | None,
    typer.Option("--requirement", metavar="R", help="Judge only this requirement; repeatable."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the drawn examples.")]
StrictDomain = Annotated[
    bool,
    typer.Option(
        "--strict-domain",
        help="Status 1 if a limit that the model states is too costly to reach.",
    ),
]
Tasks = Annotated[
    str | None, typer.Option("--task", metavar="T", help="Tasks to select: globs, comma-separated.")
]
TrustRemoteCode = Annotated[
    bool,
    typer.Option("--trust-remote-code", help="Run Python code from the model's repository."),
]


def load_descriptions(modules: Iterable[str] | None) -> None:
    """Import the modules of `--config-module`. Raises UsageError if one cannot be imported."""
    from harness.configs.config_modules import load_config_modules

    load_config_modules(modules or ())


def require_exporter(name: str) -> None:
    """Raise UsageError, with the nearest names, if the exporter is unknown."""
    from harness.exporters import get_exporter

    get_exporter(name)


def require_requirements(names: Sequence[str] | None) -> None:
    """Raise UsageError, with the nearest names, if a requirement is unknown."""
    from harness.requirements import check_requirement_ids

    check_requirement_ids(list(names or ()))


def require_steps_or_requirements(names: Sequence[str] | None) -> None:
    """Raise UsageError, with the nearest names, if a name is no requirement and no step."""
    from harness.requirements import check_requirement_ids
    from harness.requirements.steps import all_ids

    check_requirement_ids(names or (), all_ids())


def require_registered(cell: CellId) -> None:
    """Raise UsageError, with the nearest names, if a name in the cell id is not registered."""
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


def require_described(model: str, task: str) -> None:
    """Raise UsageError if a model folder has no model that is described for the task.

    A hub id is not looked up here: that needs transformers and the network.
    """
    from harness.configs.tasks import TasksManager
    from harness.evidence.models import read_model_type

    if Path(model).is_dir():
        architecture = read_model_type(model)
        TasksManager.get_exporter_config_constructor("onnx", model_type=architecture, task=task)


def require_profile(name: str) -> None:
    """Raise UsageError, with the nearest names, if the profile is unknown."""
    from harness.judge.profiles import get_profile

    get_profile(name)


def require_folder(path: Path) -> None:
    """Raise UsageError unless `path` is a writable folder, or can be created as one."""
    existing = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        raise UsageError(f"output {path}: {existing} is not a writable folder; give another")


def require_tolerance(atol: float | None) -> None:
    """Raise UsageError unless the tolerance is None or a finite number that is at least 0."""
    if atol is not None and not (math.isfinite(atol) and atol >= 0):
        raise UsageError(f"--atol {atol}: not a tolerance; give a finite number, at least 0")


def parse_axes(text: str | None) -> dict[str, int] | None:
    """Parse `batch_size=1,sequence_length=17`. Raises UsageError if the text has another form.

    Names and sizes are checked against the model later.
    """
    if text is None:
        return None
    axes: dict[str, int] = {}
    for item in text.split(","):
        name, _, size = (part.strip() for part in item.partition("="))
        if not (name and size.isascii() and size.isdigit()):
            raise UsageError(f"--axes: got {item!r}, expected axis=size, such as batch_size=1")
        if name in axes:
            raise UsageError(f"--axes: {name} is given twice; give it once")
        axes[name] = int(size)
    return axes
