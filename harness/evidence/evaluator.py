"""onnx's reference evaluator: runs a file in numpy, as the ONNX standard defines.

It separates errors of the runtime from errors of the file. It can be wrong itself, so no verdict
depends on it; if it cannot run a file, the cause stays undecided.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import one_line
from harness.evidence.onnx_file import all_nodes, graph_inputs, parse_onnx
from harness.evidence.session import CandidateError
from harness.evidence.tensors import stored_tensors

if TYPE_CHECKING:
    import onnx

    from harness.configs.feeds import Feed
    from harness.evidence.eager_part import EagerPart
    from harness.evidence.part_file import PartFile
    from harness.evidence.reference import Arrays
    from harness.evidence.session import Run

MAX_MEGABYTES = 32
"""Limit for the stored tensors of a file, external data included. Tiny models store less than 1 MB.
Larger files take minutes, since the evaluator runs convolutions and loops in Python."""

MAX_NODES = 5000
"""Limit for the nodes of a file. A tiny model has up to 700, which take 0.02 s. The evaluator keeps
every value of every node in memory."""

_SHOWN = 200


class UndecidedError(Exception):
    """The reference evaluator cannot run a file, or the file is too large for it."""


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Runs files as the standard defines.

    Raises UndecidedError if the evaluator fails or the file is too large, and CandidateError if a
    feed contradicts the file's declared inputs.
    """

    name: str = "onnx's reference evaluator"

    def open(self, file: PartFile, eager: EagerPart) -> Run:
        return file.run_part(self.load(load_small(file.loadable_path())))

    def load(self, model: onnx.ModelProto) -> Run:
        import numpy as np
        from onnx.reference import ReferenceEvaluator

        with _quietly_or_undecided():
            evaluator = ReferenceEvaluator(model)

        def run(feed: Feed) -> Arrays:
            _refuse_undeclared(model, feed)
            with _quietly_or_undecided():
                values = evaluator.run(None, dict(feed))
            arrays = [np.asarray(v) if isinstance(v, np.generic) else v for v in values]
            return dict(zip(evaluator.output_names, arrays, strict=True))

        return run


EVALUATOR = Evaluator()


def _refuse_undeclared(model: onnx.ModelProto, feed: Feed) -> None:
    """Raise CandidateError if a feed has other dtypes, ranks or static sizes than declared.

    The evaluator itself would accept such a feed.
    """
    for name, value in graph_inputs(model).items():
        if name not in feed:
            raise CandidateError(
                f"got no {name}, expected it, since the file declares it as an input"
            )
        array = feed[name]
        dims = array.shape if value.dims is None else value.dims
        is_of_size = len(dims) == array.ndim and all(
            size == dim for size, dim in zip(array.shape, dims, strict=True) if isinstance(dim, int)
        )
        if not is_of_size or str(array.dtype) != value.dtype:
            raise CandidateError(
                f"got {array.dtype} {array.shape} for {name}, expected {value.dtype} {dims} as the "
                "file declares"
            )


def load_small(path: Path) -> onnx.ModelProto:
    """Read a file with its external data; raises UndecidedError if it is large or unreadable.

    The caller must have checked before that the external data lies inside the file's folder.
    """
    import onnx

    with _quietly_or_undecided():
        model = parse_onnx(path)
        megabytes = sum(tensor.nbytes for tensor in stored_tensors(model)) / 2**20
        nodes = sum(1 for _ in all_nodes(model))
        if megabytes <= MAX_MEGABYTES and nodes <= MAX_NODES:
            onnx.load_external_data_for_model(model, str(path.parent))
            return model
    raise UndecidedError(
        f"{path.name}: got {megabytes:.0f} MB and {nodes} nodes, the limit is "
        f"{MAX_MEGABYTES} MB and {MAX_NODES} nodes"
    )


@contextlib.contextmanager
def _quietly_or_undecided() -> Iterator[None]:
    """Suppress warnings and raise UndecidedError for any exception within the block.

    Numpy's warnings concern the values of the file; an exception is a limit of the evaluator.
    """
    import numpy as np

    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # each operator raises its own kinds of exceptions
        raise UndecidedError(f"{type(error).__name__}: {one_line(error)}"[:_SHOWN]) from error
