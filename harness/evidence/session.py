"""ONNX Runtime as a verdict needs it: one thread, a known optimisation level, short errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import one_line

if TYPE_CHECKING:
    import onnxruntime

    from harness.configs.base import Feed
    from harness.evidence.reference import Arrays


class CandidateError(Exception):
    """ONNX Runtime refuses the file, or refuses to run it on a feed."""


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
