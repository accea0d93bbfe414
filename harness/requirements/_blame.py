"""Who a wrong number is the fault of."""

from __future__ import annotations

from collections.abc import Callable

from harness.evidence.session import CandidateError


def blame(is_right_unoptimised: Callable[[], bool]) -> str:
    """The runtime where its optimiser alone makes the difference, else what wrote the file."""
    try:
        return "onnxruntime" if is_right_unoptimised() else "exporter"
    except CandidateError:
        return "exporter"
