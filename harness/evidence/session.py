"""ONNX Runtime on as many threads as torch, at a known optimisation level, with one-line errors."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from harness.errors import one_line
from harness.evidence.memory import out_of_memory

if TYPE_CHECKING:
    import onnx
    import onnxruntime

    from harness.configs.feeds import Feed
    from harness.evidence.reference import Arrays
    from harness.evidence.sides import PartEvidence

    Run = Callable[[Feed], Arrays]
    """Output name -> array for a feed."""


class CandidateError(Exception):
    """ONNX Runtime refuses the file, or refuses to run it on a feed."""


class Execution(Protocol):
    """A way to run files: ONNX Runtime at some optimisation level, or a replacement for it.

    Replacements are used to find the cause of a failure.
    """

    @property
    def name(self) -> str:
        """Name of the execution in messages."""

    def open(self, part: PartEvidence) -> Run:
        """Prepare a part and return its run; both raise CandidateError on refusal."""


class Loader(Execution, Protocol):
    """An execution that can run any model, not only the files of a cell."""

    def load(self, model: onnx.ModelProto) -> Run:
        """Prepare a model that contains its weights and return its run; raises as `open` does."""


@dataclass(frozen=True, slots=True)
class Level:
    """Runs files in ONNX Runtime, with or without its graph optimisations."""

    name: str
    optimised: bool

    def open(self, part: PartEvidence) -> Run:
        return self._run(part.loadable_path())

    def load(self, model: onnx.ModelProto) -> Run:
        return self._run(model.SerializeToString())

    def _run(self, model: Path | bytes) -> Run:
        return functools.partial(run_session, open_session(model, optimised=self.optimised))


OPTIMISED = Level("ORT_ENABLE_ALL", optimised=True)
PLAIN = Level("ORT_DISABLE_ALL", optimised=False)


def open_session(model: Path | bytes, *, optimised: bool) -> onnxruntime.InferenceSession:
    """Load a file, or a serialised model, in ONNX Runtime, on as many threads as torch has.

    Raises CandidateError if the runtime refuses it, and OutOfMemoryError if memory runs out.
    """
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    options.log_severity_level = 4
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = (
        levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    )
    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises classes of its own, without a base
        raise out_of_memory(error) or CandidateError(one_line(error)) from error


def run_session(session: onnxruntime.InferenceSession, feed: Feed) -> Arrays:
    """Run a feed and return output name -> array.

    Raises CandidateError if the runtime refuses it, and OutOfMemoryError if memory runs out.
    """
    import onnxruntime

    options = onnxruntime.RunOptions()
    # Else each session keeps the memory of its largest run.
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    names = [output.name for output in session.get_outputs()]
    try:
        values = session.run(names, dict(feed), options)
    except Exception as error:  # the runtime raises classes of its own, without a base
        raise out_of_memory(error) or CandidateError(one_line(error)) from error
    return dict(zip(names, values, strict=True))


def single_thread() -> AbstractContextManager[None]:
    """Limit torch, and sessions opened within the block, to one thread: workers share the cores."""
    return threads(1)


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch, and sessions opened within the block, use `count` threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
