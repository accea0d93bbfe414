"""The float twin of a file: its graph in float32, on the weights that the file really stores.

A quantised file differs from eager PyTorch by design. Its twin does not: if eager carries the same
weights, the twin must agree with it at the float32 tolerance, or the graph is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.evidence.twin.rewrite import rewrite
from harness.evidence.twin.twin_file import read_model, write_model
from harness.evidence.twin.weights import Decoded, StoredWeight

__all__ = ["Decoded", "StoredWeight", "Twin", "make_twin"]


@dataclass(frozen=True, slots=True)
class Twin:
    """The float twin of a file.

    `rewritten` counts the nodes of each operator that became float32 ones. `unknown` names, as
    `domain::Op (node name)`, nodes without a float rewrite, which are still in the twin: it then
    proves nothing. `weights` are the weights that the file stores.
    """

    path: Path
    weights: tuple[StoredWeight, ...]
    rewritten: Mapping[str, int]
    unknown: tuple[str, ...]
    notes: tuple[str, ...]


def make_twin(path: Path, output: Path, *, parameters: Collection[str] = ()) -> Twin:
    """Write the float twin of the ONNX file `path` at `output`, and return what it stands for.

    Inputs and outputs keep their names; float16 and bfloat16 ones become float32. Weights are
    written beside `output`, if the file has external data or the twin is too large for one file.
    A single number is a weight if it is one of `parameters`, by name. Else a float16 one is taken
    as the number that it rounds, and a note says so.

    Raises UsageError if `path` is not an ONNX model, and UnreadableTensorError if external data is
    missing or outside the folder.
    """
    model = read_model(path)
    done = rewrite(model, parameters)
    write_model(model, output)
    return Twin(output, done.weights, done.rewritten, done.unknown, done.notes)
