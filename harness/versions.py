"""Which versions are installed, read without importing anything. A leaf: any layer may ask."""

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
    installed = {
        name: installed_version(distribution) or "unknown"
        for name, distribution in DISTRIBUTIONS.items()
    }
    return {"python": platform.python_version(), **installed}


def difference(expected: Mapping[str, str]) -> tuple[str, str, str] | None:
    """The first name whose version differs here, with the expected one and ours."""
    ours = versions()
    for name, version_there in expected.items():
        if ours.get(name) != version_there:
            return name, version_there, ours.get(name, "unknown")
    return None


def installed_version(distribution: str) -> str | None:
    """None where it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
