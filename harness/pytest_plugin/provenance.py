"""Where a run came from: versions, platform, profile, seed, plan."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from harness.matrix.registry import modalities
from harness.pytest_plugin.context import RunContext
from harness.records import CellId, Header

DISTRIBUTIONS = {
    "torch": "torch",
    "transformers": "transformers",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
    "onnxscript": "onnxscript",
    "harness": "onnx-conformance",
}


def make_header(context: RunContext, cells: Iterable[CellId]) -> Header:
    """The header of a run that judges `cells` on their planned requirements."""
    planned = {cell: list(context.plan[cell]) for cell in cells}
    return Header(
        run=context.run_directory.name,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(),
        platform=platform.platform(),
        profile=context.profile.name,
        seed=context.seed,
        planned={str(cell): requirements for cell, requirements in planned.items()},
        modalities=modalities(cell.architecture for cell in planned),
    )


def versions() -> dict[str, str]:
    """Installed versions, read without importing anything; `unknown` where not installed."""
    installed = {name: _version(distribution) for name, distribution in DISTRIBUTIONS.items()}
    return {"python": platform.python_version(), **installed}


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
