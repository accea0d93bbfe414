"""Which versions a run is made with, read without importing anything."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

DISTRIBUTIONS = {
    "torch": "torch",
    "transformers": "transformers",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
    "onnxscript": "onnxscript",
    "harness": "onnx-conformance",
}


def versions() -> dict[str, str]:
    """Name -> installed version; `unknown` where not installed."""
    installed = {name: _version(distribution) for name, distribution in DISTRIBUTIONS.items()}
    return {"python": platform.python_version(), **installed}


def difference(expected: Mapping[str, str]) -> tuple[str, str, str] | None:
    """The first name whose version differs here, with the expected one and ours."""
    ours = versions()
    for name, version_there in expected.items():
        if ours.get(name) != version_there:
            return name, version_there, ours.get(name, "unknown")
    return None


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
