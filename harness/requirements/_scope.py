"""Blame for failures of files that are beyond a verdict in float32."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from harness.evidence.file_notes import (
    ONLY_FLOAT32,
    SENTENCE_EMBEDDING,
    SENTENCE_TRANSFORMERS,
    explain_half_precision,
    explain_quantised_operators,
)
from harness.requirements.shared.requirement import Blame

if TYPE_CHECKING:
    import onnx

HALF_TYPES = ("float16", "bfloat16")

_EXPLANATIONS: tuple[tuple[str, Callable[[onnx.ModelProto], str | None]], ...] = (
    ("quantiser", explain_quantised_operators),
    ("harness", explain_half_precision),
)
"""The layer to blame for values that differ, and the reason. Half precision is a limit of the
harness."""


def blame_beyond_float32(models: Iterable[onnx.ModelProto]) -> Blame | None:
    """Return the blame for values of files that are quantised or in half precision; else None."""
    parsed = list(models)
    for layer, explain in _EXPLANATIONS:
        for model in parsed:
            if (reason := explain(model)) is not None:
                return Blame(layer, reason)
    return None


def blame_dtype(got: str, expected: str) -> Blame | None:
    """Return the blame for half precision in place of float32; None for other types."""
    if expected != "float32" or got not in HALF_TYPES:
        return None
    return Blame("harness", f"{ONLY_FLOAT32}; this file is {got}")


def blame_names(undeclared: Iterable[str]) -> Blame | None:
    """Return the blame for the pooled output of a sentence-transformers export; else None."""
    if SENTENCE_EMBEDDING not in undeclared:
        return None
    return Blame("harness", SENTENCE_TRANSFORMERS)
