"""Stub runtimes: ONNX Runtime with a defect that it had, or could have."""

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
"""What a runtime gives for a feed: from a correct run, and whether the graph is optimised."""


class StubSession:
    """Stands where an InferenceSession does."""

    def __init__(self, inner: Any, runtime: Runtime, *, optimised: bool) -> None:
        self._inner = inner
        self._runtime = runtime
        self._optimised = optimised

    def get_outputs(self) -> Sequence[Any]:
        outputs: Sequence[Any] = self._inner.get_outputs()
        return outputs

    def run(self, names: Sequence[str], feed: Arrays) -> list[np.ndarray[Any, Any]]:
        outputs = self._runtime(self._correctly, self._optimised, feed)
        return [outputs[name] for name in names]

    def _correctly(self, feed: Arrays) -> Arrays:
        names = [output.name for output in self._inner.get_outputs()]
        return dict(zip(names, self._inner.run(names, dict(feed)), strict=True))


@contextmanager
def running(runtime: Runtime | None) -> Iterator[None]:
    """Have every session of the harness run by a stub for the length of the block."""
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
    """A fused attention that takes the mask for the number of its ones, all of them in front."""
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
    """An optimiser that makes a node for which there is no kernel."""
    if optimised:
        raise RuntimeError("NOT_IMPLEMENTED : Could not find an implementation for Fused(1)")
    return run(feed)


def refuses_plain(run: Run, optimised: bool, feed: Arrays) -> Arrays:
    """A kernel that is missing unless an optimisation happens to remove its node."""
    if not optimised:
        raise RuntimeError("NOT_IMPLEMENTED : Could not find an implementation for Trilu(14)")
    return run(feed)


def levels_apart(run: Run, optimised: bool, feed: Arrays) -> Arrays:
    """Levels that lie on either side of the truth, each within the tolerance."""
    offset = np.float32(2e-5 if optimised else -2e-5)
    return {name: np.add(array, offset) for name, array in run(feed).items()}


def unsteady(run: Run, optimised: bool, feed: Arrays) -> Arrays:
    """Threads that add up in another order each time."""
    dice = np.random.default_rng()

    def shaken(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        noise = dice.uniform(-1e-6, 1e-6, array.shape).astype(array.dtype)
        return np.asarray(array + noise)

    return {name: shaken(array) for name, array in run(feed).items()}
