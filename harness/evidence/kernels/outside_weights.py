"""Weights of a model in a file of their own, so that copies of the model are small."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

LIMIT = 16 * 2**20
"""A model with more bytes of weights inside its file is copied with its weights outside."""

_LEAST = 2**10
_NAME = "weights"


def has_large_weights(graph: onnx.GraphProto) -> bool:
    """Whether weights should move: they are large, and all of them are inside the file."""
    tensors = list(graph.initializer)
    inside = all(tensor.data_location != tensor.EXTERNAL for tensor in tensors)
    return inside and sum(len(tensor.raw_data) for tensor in tensors) > LIMIT


def move_weights(graph: onnx.GraphProto, folder: Path) -> None:
    """Write the larger initializers of a graph to a file in `folder`, and refer to them there."""
    with (folder / _NAME).open("wb") as file:
        for tensor in graph.initializer:
            if len(tensor.raw_data) < _LEAST:
                continue
            entries = {"location": _NAME, "offset": file.tell(), "length": len(tensor.raw_data)}
            file.write(tensor.raw_data)
            tensor.ClearField("raw_data")
            tensor.data_location = tensor.EXTERNAL
            for key, value in entries.items():
                tensor.external_data.add(key=key, value=str(value))
