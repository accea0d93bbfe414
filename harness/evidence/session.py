"""Sessions of ONNX Runtime, on as many threads as torch, with one-line errors."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import one_line
from harness.evidence.memory import out_of_memory

if TYPE_CHECKING:
    import onnxruntime

    from harness.configs.feeds import Feed
    from harness.evidence.reference import Arrays

    Run = Callable[[Feed], Arrays]
    """Output name -> array for a feed."""


class CandidateError(Exception):
    """ONNX Runtime refuses the file, or refuses to run it on a feed."""


def open_session(
    model: Path | bytes, *, optimised: bool, entries: Mapping[str, str] | None = None
) -> onnxruntime.InferenceSession:
    """Load a file, or a serialised model, in ONNX Runtime, on as many threads as torch has.

    `entries` are session options by key, such as `session.x64quantprecision`. Raises CandidateError
    if the runtime refuses the model, and OutOfMemoryError if memory runs out.
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
    for key, value in (entries or {}).items():
        options.add_session_config_entry(key, value)
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
