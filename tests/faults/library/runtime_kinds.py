"""Stub runtimes: ONNX Runtime with a real or possible defect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from harness.evidence import session

Arrays = Mapping[str, np.ndarray[Any, Any]]
Run = Callable[[Arrays], Arrays]
Runtime = Callable[[Run, bool, Arrays], Arrays]
"""(correct run, is the graph optimised, feed) -> outputs."""


class StubSession:
    """Replaces an InferenceSession."""

    def __init__(self, inner: Any, runtime: Runtime, *, optimised: bool) -> None:
        self._inner = inner
        self._runtime = runtime
        self._optimised = optimised

    def get_outputs(self) -> Sequence[Any]:
        outputs: Sequence[Any] = self._inner.get_outputs()
        return outputs

    def run(
        self, names: Sequence[str], feed: Arrays, options: object = None
    ) -> list[np.ndarray[Any, Any]]:
        outputs = self._runtime(self._correctly, self._optimised, feed)
        return [outputs[name] for name in names]

    def _correctly(self, feed: Arrays) -> Arrays:
        names = [output.name for output in self._inner.get_outputs()]
        return dict(zip(names, self._inner.run(names, dict(feed)), strict=True))


@contextmanager
def running(runtime: Runtime | None) -> Iterator[None]:
    """Let a stub run every session of the harness inside the block."""
    if runtime is None:
        yield
        return
    open_session = session.open_session

    def open_stub(model: Path | bytes, *, optimised: bool) -> Any:
        return StubSession(open_session(model, optimised=optimised), runtime, optimised=optimised)

    module: Any = session
    module.open_session = open_stub
    try:
        yield
    finally:
        module.open_session = open_session


def prefix_mask(run: Run, optimised: bool, feed: Arrays) -> Arrays:
    """A fused attention that replaces the mask by a prefix with as many ones."""
    mask = feed["attention_mask"]
    prefix = np.arange(mask.shape[1]) < mask.sum(axis=1, keepdims=True)
    return run({**feed, "attention_mask": prefix.astype(mask.dtype)} if optimised else feed)


def first_row_alone(run: Run, optimised: bool, feed: Arrays) -> Arrays:
    """A fused normalisation that broadcasts the first row of the batch over the others."""
    outputs = run(feed)
    if not optimised:
        return outputs
    return {name: np.broadcast_to(array[:1], array.shape).copy() for name, array in outputs.items()}


def refuses_optimised(run: Run, optimised: bool, feed: Arrays) -> Arrays:
    """An optimiser that creates a node without a kernel."""
    if optimised:
        raise RuntimeError("NOT_IMPLEMENTED : Could not find an implementation for Fused(1)")
    return run(feed)


def refuses_plain(run: Run, optimised: bool, feed: Arrays) -> Arrays:
    """A missing kernel, which matters only if no optimisation removes its node."""
    if not optimised:
        raise RuntimeError("NOT_IMPLEMENTED : Could not find an implementation for Trilu(14)")
    return run(feed)


def levels_apart(run: Run, optimised: bool, feed: Arrays) -> Arrays:
    """Optimisation levels with errors of opposite signs, each within the tolerance."""
    offset = np.float32(2e-5 if optimised else -2e-5)
    return {name: np.add(array, offset) for name, array in run(feed).items()}


def unsteady(run: Run, optimised: bool, feed: Arrays) -> Arrays:
    """Threads that add in another order each time."""
    dice = np.random.default_rng()

    def shaken(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        noise = dice.uniform(-1e-6, 1e-6, array.shape).astype(array.dtype)
        return np.asarray(array + noise)

    return {name: shaken(array) for name, array in run(feed).items()}
