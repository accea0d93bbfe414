"""Installed versions of the relevant packages, read without importing them."""

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
    """Return the installed versions of Python and of the packages that decide verdicts, by name.

    A package that is not installed has the version `unknown`.
    """
    installed = {
        name: installed_version(distribution) or "unknown"
        for name, distribution in DISTRIBUTIONS.items()
    }
    return {"python": platform.python_version(), **installed}


def differing_version(expected: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Return (name, expected version, installed version) of the first mismatch; None if all match.

    `expected` is a mapping such as `versions` returns.
    """
    installed = versions()
    for name, expected_version in expected.items():
        if installed.get(name) != expected_version:
            return name, expected_version, installed.get(name, "unknown")
    return None


def installed_version(distribution: str) -> str | None:
    """Return the version of a distribution; None if it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
