"""ONNX Runtime as a verdict needs it: one thread, a known optimisation level, short errors."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from harness.errors import one_line

if TYPE_CHECKING:
    import onnx
    import onnxruntime

    from harness.configs.base import Feed
    from harness.evidence.reference import Arrays
    from harness.evidence.sides import PartEvidence

    Run = Callable[[Feed], Arrays]
    """Output name -> array for a feed."""


class CandidateError(Exception):
    """ONNX Runtime refuses the file, or refuses to run it on a feed."""


class Execution(Protocol):
    """A way to run files: ONNX Runtime at some level, or what stands in for it when it is asked
    who makes a difference."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    def open(self, part: PartEvidence) -> Run:
        """Get a part ready; this and the run raise CandidateError where they are refused."""


class Loader(Execution, Protocol):
    """One that runs any model, and not the files of a cell alone."""

    def load(self, model: onnx.ModelProto) -> Run:
        """Get a model ready that holds its weights itself; raises as `open` does."""


@dataclass(frozen=True, slots=True)
class Level:
    """ONNX Runtime with its graph optimisations, or without."""

    name: str
    optimised: bool

    def open(self, part: PartEvidence) -> Run:
        return self._run(part.loadable())

    def load(self, model: onnx.ModelProto) -> Run:
        return self._run(model.SerializeToString())

    def _run(self, model: Path | bytes) -> Run:
        return functools.partial(run_session, open_session(model, optimised=self.optimised))


OPTIMISED = Level("ORT_ENABLE_ALL", optimised=True)
PLAIN = Level("ORT_DISABLE_ALL", optimised=False)


def open_session(model: Path | bytes, *, optimised: bool) -> onnxruntime.InferenceSession:
    """Load a file, or a serialised model, in ONNX Runtime on one thread.

    Raises CandidateError where the runtime refuses it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = (
        levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    )
    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises classes of its own, without a base
        raise CandidateError(one_line(error)) from error


def run_session(session: onnxruntime.InferenceSession, feed: Feed) -> Arrays:
    """Output name -> array for a feed; raises CandidateError where the runtime refuses it."""
    names = [output.name for output in session.get_outputs()]
    try:
        values = session.run(names, dict(feed))
    except Exception as error:  # the runtime raises classes of its own, without a base
        raise CandidateError(one_line(error)) from error
    return dict(zip(names, values, strict=True))


@contextlib.contextmanager
def single_thread() -> Iterator[None]:
    """One torch thread for the length of the block: workers share the machine's cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
