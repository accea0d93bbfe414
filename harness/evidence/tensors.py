"""The tensors that a file stores, wherever they stand in it, and their bytes.

A location is text of whoever wrote the file: external data is read from inside the file's folder
alone, and only after that is known.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from harness.errors import one_line
from harness.evidence.onnx_file import all_nodes, subgraphs

if TYPE_CHECKING:
    import onnx

_PACKED_BITS = {"int2": 2, "uint2": 2, "int4": 4, "uint4": 4, "float4_e2m1fn": 4}


class UnreadableTensorError(Exception):
    """The data of a tensor is not where it may be, or is not what the tensor declares."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """An initializer, or a tensor of an attribute; sparse ones store values and indices."""

    name: str
    dims: tuple[int, ...]
    stored: tuple[onnx.TensorProto, ...]

    @property
    def dtype(self) -> str:
        import onnx

        data_type = self.stored[0].data_type
        known = onnx.TensorProto.DataType.values()
        return str(onnx.TensorProto.DataType.Name(data_type)) if data_type in known else "unknown"

    @property
    def nbytes(self) -> int:
        """What its declaration says that it stores."""
        return sum(map(_declared_bytes, self.stored))

    def content(self, folder: Path) -> bytes:
        """Its bytes, of a file in `folder`; raises UnreadableTensorError, with its name."""
        try:
            return b"".join(_read(tensor, folder) for tensor in self.stored)
        except UnreadableTensorError as error:
            raise UnreadableTensorError(f"{self.name}: {error}") from error


def stored_tensors(model: onnx.ModelProto) -> Iterator[StoredTensor]:
    """All of a model: of its graph and subgraphs, its functions, and of attributes."""
    nodes = list(all_nodes(model))
    for graph in (model.graph, *(graph for node in nodes for graph in subgraphs(node))):
        yield from (_dense(tensor.name, tensor) for tensor in graph.initializer)
        yield from (_sparse(tensor.values.name, tensor) for tensor in graph.sparse_initializer)
    for node in nodes:
        for attribute in node.attribute:
            yield from _of_attribute(attribute, name=node.output[0] if node.output else node.name)


def _of_attribute(attribute: onnx.AttributeProto, *, name: str) -> Iterator[StoredTensor]:
    import numpy as np
    from onnx import numpy_helper

    single = [attribute.t] if attribute.HasField("t") else []
    yield from (_dense(name, tensor) for tensor in (*single, *attribute.tensors))
    sparse = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
    yield from (_sparse(name, tensor) for tensor in (*sparse, *attribute.sparse_tensors))
    if attribute.name in {"value_floats", "value_ints"}:
        values = attribute.floats or attribute.ints
        array = np.array(values, np.float32 if attribute.floats else np.int64)
        yield _dense(name, numpy_helper.from_array(array))


def _dense(name: str, tensor: onnx.TensorProto) -> StoredTensor:
    return StoredTensor(name, tuple(tensor.dims), (tensor,))


def _sparse(name: str, tensor: onnx.SparseTensorProto) -> StoredTensor:
    return StoredTensor(name, tuple(tensor.dims), (tensor.values, tensor.indices))


def _declared_bytes(tensor: onnx.TensorProto) -> int:
    """How many bytes its type and dims take; 0 for a type that does not exist."""
    from onnx import helper

    if tensor.data_type == tensor.STRING:
        return sum(map(len, tensor.string_data))
    try:
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    except KeyError:
        return 0
    bits = _PACKED_BITS.get(dtype.name, dtype.itemsize * 8)
    return -(-math.prod(map(int, tensor.dims)) * int(bits) // 8)


def _read(tensor: onnx.TensorProto, folder: Path) -> bytes:
    from onnx import numpy_helper

    if tensor.data_type == tensor.STRING:
        return repr(list(tensor.string_data)).encode()
    try:
        if tensor.data_location == tensor.EXTERNAL:
            content = _read_external(tensor, folder)
        elif tensor.HasField("raw_data"):
            content = bytes(tensor.raw_data)
        else:
            return bytes(numpy_helper.to_array(tensor).tobytes())
    except (OSError, ValueError, TypeError, KeyError) as error:  # also of typed data, from onnx
        raise UnreadableTensorError(f"got {one_line(error)}, expected its values") from error
    expected = _declared_bytes(tensor)
    if len(content) != expected:
        raise UnreadableTensorError(f"got {len(content)} bytes, expected {expected}")
    return content


def _read_external(tensor: onnx.TensorProto, folder: Path) -> bytes:
    path, offset = find_external_data(tensor, folder)
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(_declared_bytes(tensor))


def external_data_problems(model: onnx.ModelProto, folder: Path) -> list[str]:
    """What is wrong with external data, one line a location, as *subject: got, expected*."""
    found: dict[str, list[tuple[str, str]]] = {}
    for entry in stored_tensors(model):
        for tensor in entry.stored:
            if tensor.data_location != tensor.EXTERNAL:
                continue
            try:
                find_external_data(tensor, folder)
            except UnreadableTensorError as error:
                location = _entries(tensor).get("location", "")
                found.setdefault(location, []).append((entry.name, str(error)))
    return [
        f"external data of {first}{f' and {len(others)} more' if others else ''}: {problem}"
        for (first, problem), *others in found.values()
    ]


def find_external_data(tensor: onnx.TensorProto, folder: Path) -> tuple[Path, int]:
    """Path and offset, in bytes, of data that is all there, inside `folder`.

    Raises UnreadableTensorError, *got, expected*, where it is not.
    """
    entries = _entries(tensor)
    path = _inside(entries.get("location", ""), folder)
    expected = _declared_bytes(tensor)
    offset = _number("offset", entries.get("offset", "0"))
    length = _number("length", entries.get("length", str(expected)))
    if length != expected:
        raise UnreadableTensorError(
            f"got length {length}, expected {expected} bytes for its type and dims"
        )
    size = path.stat().st_size
    if size < offset + length:
        raise UnreadableTensorError(
            f"got {size} bytes in {path.name}, expected at least {offset + length}; it is truncated"
        )
    return path, offset


def _inside(location: str, folder: Path) -> Path:
    """The file that a location names. Backslashes part folders for those who read it on Windows."""
    as_windows = PureWindowsPath(location)
    if not location:
        raise UnreadableTensorError("got no location, expected a file beside the model")
    if PurePosixPath(location).is_absolute() or as_windows.drive or as_windows.root:
        raise UnreadableTensorError(
            f"got the absolute path {location!r}, expected one relative to the model's folder"
        )
    depth = 0
    for step in as_windows.parts:
        depth += -1 if step == ".." else 1
        if depth < 0:
            raise UnreadableTensorError(
                f"got {location!r}, which leaves the model's folder, expected a file inside it"
            )
    return _followed(location, folder)


def _followed(location: str, folder: Path) -> Path:
    """The file behind links, which may lead out as well as a path may."""
    try:
        root, path = folder.resolve(), (folder / location).resolve()
        is_inside, is_file = path.is_relative_to(root), path.is_file()
    except (OSError, RuntimeError, ValueError) as error:  # a loop, a NUL, too long a name
        raise UnreadableTensorError(
            f"got {location!r} ({one_line(error)}), expected a file"
        ) from error
    if not is_inside:
        raise UnreadableTensorError(
            f"got {location!r}, a link out of the model's folder, expected a file inside it"
        )
    if not is_file:
        raise UnreadableTensorError(f"got no file {location!r}, expected it beside the model")
    return path


def _entries(tensor: onnx.TensorProto) -> Mapping[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _number(key: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise UnreadableTensorError(f"got {key} {text!r}, expected a number of bytes")
    return int(text)
