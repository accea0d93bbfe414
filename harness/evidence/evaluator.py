"""onnx's reference evaluator: what a file computes by the standard's own word, in numpy.

It tells a runtime that is wrong about a file from a file that is wrong, and it may be wrong itself:
nothing is judged by it, and whatever it cannot do leaves the question open.
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

    from harness.configs.base import Feed
    from harness.evidence.reference import Arrays
    from harness.evidence.session import Run
    from harness.evidence.sides import PartEvidence

MAX_MEGABYTES = 32
"""Of stored tensors, external ones too. Tiny models store less than one; what is larger takes
minutes, since the evaluator walks over convolutions and loops in Python."""

MAX_NODES = 5000
"""A tiny model has up to 700, which take 0.02 s; every value of every node is kept."""

_SHOWN = 200


class UndecidedError(Exception):
    """The reference evaluator cannot run a file, or is not to be asked."""


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Runs files as the standard says. Raises UndecidedError for what it cannot do, and
    CandidateError for feeds that a file does not take by its own declaration."""

    name: str = "onnx's reference evaluator"

    def open(self, part: PartEvidence) -> Run:
        return self.load(load_small(part.loadable()))

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
    """Raise CandidateError for a feed of other dtypes, ranks or static sizes than are declared,
    which the evaluator would compute all the same."""
    for name, value in graph_inputs(model).items():
        if name not in feed:
            raise CandidateError(f"got no {name}, which the file takes")
        array = feed[name]
        dims = array.shape if value.dims is None else value.dims
        is_of_size = len(dims) == array.ndim and all(
            size == dim for size, dim in zip(array.shape, dims, strict=True) if isinstance(dim, int)
        )
        if not is_of_size or str(array.dtype) != value.dtype:
            raise CandidateError(
                f"got {array.dtype} {array.shape} for {name}, the file declares "
                f"{value.dtype} {dims}"
            )


def load_small(path: Path) -> onnx.ModelProto:
    """A file with its external data; raises UndecidedError where it is large or cannot be read.

    Where external data may lie is for the caller to have judged.
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
        f"{path.name}: got {megabytes:.0f} MB and {nodes} nodes, it is asked up to "
        f"{MAX_MEGABYTES} MB and {MAX_NODES} nodes"
    )


@contextlib.contextmanager
def _quietly_or_undecided() -> Iterator[None]:
    """Numpy's warnings say what a file computes; what is raised says what the evaluator can't."""
    import numpy as np

    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # operators are written by many hands
        raise UndecidedError(f"{type(error).__name__}: {one_line(error)}"[:_SHOWN]) from error
