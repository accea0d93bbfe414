"""Helpers that write expectation files for tests."""

from __future__ import annotations

from typing import Any

import tomlkit

KEYS = {
    "architecture": "bert",
    "task": "fill-mask",
    "opsets": "18..20,23",
    "exporter": "dyn*",
    "requirement": "agreement",
    "reason": "rounds twice",
    "issue": "https://example.org/issues/1",
    "layer": "onnxscript",
}


def entry(**changes: Any) -> str:
    """Return one expectation as a TOML table, followed by an empty line."""
    return tomlkit.dumps({"expectation": [{**KEYS, **changes}]}) + "\n"
