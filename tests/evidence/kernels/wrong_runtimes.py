"""A runtime that changes one value of a run, as a test double for a wrong kernel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from harness.evidence import session

Array = np.ndarray[Any, Any]


def change_value(
    monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[Array], Array]
) -> None:
    """Let the runtime return another array for the named value, in every run."""
    run_session = session.run_session

    def run(opened: Any, feed: Any) -> Any:
        values = run_session(opened, feed)
        return {n: change(v) if n == name else v for n, v in values.items()}

    monkeypatch.setattr(session, "run_session", run)


def first_output(path: Path, operator: str) -> str:
    """Return the first output of the first node of an operator."""
    nodes = onnx.load(path).graph.node
    return next(str(node.output[0]) for node in nodes if node.op_type == operator)


def add_to_first(value: float) -> Callable[[Array], Array]:
    """Return a change that moves the first number, away from the end of its range."""

    def change(array: Array) -> Array:
        changed = array.copy()
        first = changed.reshape(-1)[:1]
        sign = -1 if float(first[0]) > 100 else 1
        first += np.asarray(sign * value).astype(array.dtype)
        return changed

    return change


def add_ulps_to_largest(count: int) -> Callable[[Array], Array]:
    """Return a change that moves the largest number by ulps of its own type."""

    def change(array: Array) -> Array:
        changed = array.copy()
        place = np.unravel_index(int(np.argmax(array)), array.shape)
        changed[place] -= np.asarray(count * np.spacing(array[place]), array.dtype)
        return changed

    return change
