"""A copy of this project with few architectures: RoBERTa, Mistral and SegFormer are new there."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEPT = ("__init__", "bert", "llama", "vit")
"""The modules with architectures."""
NEW = ("roberta", "mistral", "segformer")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*~*.json", "*.toml", "*.cells")
"""Expectations are left out: they name architectures that the copy lacks."""


def copy_small_checkout(folder: Path) -> Path:
    """Copy the project to a folder and return the folder."""
    for name in ("harness", "reports", "conformance", "fixtures"):
        shutil.copytree(ROOT / name, folder / name, ignore=LEFT_OUT)
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for module in (folder / "harness" / "configs" / "architectures").glob("*.py"):
        if module.stem not in KEPT:
            module.unlink()
    llama = folder / "harness" / "configs" / "architectures" / "llama.py"
    rows = llama.read_text(encoding="utf-8").splitlines(keepends=True)
    llama.write_text("".join(row for row in rows if '"mistral"' not in row), encoding="utf-8")
    for new in NEW:
        (folder / "fixtures" / "models" / f"{new}.json").unlink(missing_ok=True)
    return folder
