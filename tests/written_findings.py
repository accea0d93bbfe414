"""Writes known failures for tests: a finding's TOML file and its list of cells."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tomlkit

KEYS = {
    "exporter": "dyn*",
    "opsets": "18..20,23",
    "requirement": "agreement",
    "message": r"got \d",
    "example": "agreement: got 1, expected 2",
    "reason": "rounds twice",
    "issue": "https://example.org/issues/1",
    "layer": "onnxscript",
}
CELLS = ("bert/fill-mask/opset18/dynamo",)


def finding(**changes: Any) -> str:
    """Return the text of a finding; a key set to None is left out."""
    keys = {**KEYS, **changes}
    return tomlkit.dumps({key: value for key, value in keys.items() if value is not None})


def write_finding(
    folder: Path, name: str = "known", *, cells: Iterable[str] = CELLS, **changes: Any
) -> Path:
    """Write a finding with the sorted list of its cells into a folder; return the TOML file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(finding(**changes), encoding="utf-8")
    path.with_suffix(".cells").write_text("".join(f"{c}\n" for c in sorted(cells)), "utf-8")
    return path
