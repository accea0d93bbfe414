"""Read a file with its external data, and write a twin so that it is never incomplete."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx_ir as ir

from harness.errors import one_line
from harness.evidence.onnx_file import parse_onnx
from harness.evidence.tensors import UnreadableTensorError, external_data_problems

LARGEST_FILE = 1_900_000_000
"""Bytes of weights that one file can hold; protobuf ends at 2 GiB."""


def read_model(path: Path) -> ir.Model:
    """Read a model. Its external data is read on demand, from inside its folder alone.

    Raises UsageError if it is not an ONNX model, and UnreadableTensorError if external data is
    missing, truncated, or outside the folder.
    """
    proto = parse_onnx(path)
    problems = external_data_problems(proto, path.parent)
    if problems:
        raise UnreadableTensorError(problems[0])
    model = ir.serde.deserialize_model(proto)
    ir.external_data.set_base_dir(model.graph, path.parent.resolve())
    return model


def write_model(model: ir.Model, output: Path) -> None:
    """Write a model into a temporary folder beside `output`, then rename its files.

    Weights are external data if the model had some, or if they exceed LARGEST_FILE. Raises OSError,
    and UnreadableTensorError if external data cannot be read.
    """
    data = f"{output.name}.data" if _is_external(model) else None
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as folder:
        written = Path(folder) / output.name
        try:
            ir.save(model, written, external_data=data)
        except ValueError as error:  # onnx_ir refuses hard links, for example
            raise UnreadableTensorError(one_line(error)) from error
        if data is not None and (Path(folder) / data).exists():
            (Path(folder) / data).replace(output.with_name(data))
        written.replace(output)


def _is_external(model: ir.Model) -> bool:
    tensors = [
        value.const_value
        for graph in model.graphs()
        for value in graph.initializers.values()
        if value.const_value is not None
    ]
    is_external = any(isinstance(tensor, ir.ExternalTensor) for tensor in tensors)
    return is_external or sum(tensor.nbytes for tensor in tensors) > LARGEST_FILE
