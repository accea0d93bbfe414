"""Which versions a run is made with, read without importing anything."""

from __future__ import annotations

import platform
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


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
