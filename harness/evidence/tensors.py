"""All tensors that a file stores, and their bytes.

The location of external data is untrusted text from the file: it is first checked to be inside the
file's folder, and only then read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from harness.errors import UsageError, one_line
from harness.evidence.model_folders import explain_lfs_pointer, is_lfs_pointer
from harness.evidence.onnx_file import all_nodes, parse_onnx, subgraphs

if TYPE_CHECKING:
    import onnx

_PACKED_BITS = {"int2": 2, "uint2": 2, "int4": 4, "uint4": 4, "float4_e2m1fn": 4}


class UnreadableTensorError(Exception):
    """The data of a tensor is missing, outside the folder, or differs from its declaration."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """An initializer or a tensor in an attribute. A sparse one stores values and indices."""

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
        """Size in bytes, by the declared type and dims."""
        return sum(map(_declared_bytes, self.stored))

    def content(self, folder: Path) -> bytes:
        """Return its bytes, for a file in `folder`; raises UnreadableTensorError with its name."""
        try:
            return b"".join(_read(tensor, folder) for tensor in self.stored)
        except UnreadableTensorError as error:
            raise UnreadableTensorError(f"{self.name}: {error}") from error


def stored_tensors(model: onnx.ModelProto) -> Iterator[StoredTensor]:
    """Yield all tensors of a model: in its graph, subgraphs, functions and attributes."""
    nodes = list(all_nodes(model))
    for graph in (model.graph, *(graph for node in nodes for graph in subgraphs(node))):
        yield from (_dense(tensor.name, tensor) for tensor in graph.initializer)
        yield from (_sparse(tensor.values.name, tensor) for tensor in graph.sparse_initializer)
    for node in nodes:
        for attribute in node.attribute:
            yield from _attribute_tensors(
                attribute, name=node.output[0] if node.output else node.name
            )


def _attribute_tensors(attribute: onnx.AttributeProto, *, name: str) -> Iterator[StoredTensor]:
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
    """Return the bytes that the declared type and dims take; 0 for an unknown type."""
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
    except (OSError, ValueError, TypeError, KeyError) as error:  # onnx raises them too
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
    """Return errors of external data, one line per location, as *subject: got, expected*."""
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
    """Return the path and the offset in bytes of a tensor's external data inside `folder`.

    Raises UnreadableTensorError, *got, expected*, if the data is incomplete or outside `folder`.
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
        reason = explain_lfs_pointer(path) if is_lfs_pointer(path) else "it is truncated"
        raise UnreadableTensorError(
            f"got {size} bytes in {path.name}, expected at least {offset + length}; {reason}"
        )
    return path, offset


def bytes_on_disk(path: Path) -> int:
    """Return the bytes of an ONNX file and of the external data that it names in its folder.

    A file that cannot be parsed has no external data.
    """
    try:
        model = parse_onnx(path)
    except UsageError:
        return path.stat().st_size if path.is_file() else 0
    locations = {
        _entries(tensor).get("location", "")
        for entry in stored_tensors(model)
        for tensor in entry.stored
        if tensor.data_location == tensor.EXTERNAL
    }
    return path.stat().st_size + sum(_size_inside(one, path.parent) for one in locations)


def _size_inside(location: str, folder: Path) -> int:
    try:
        return _inside(location, folder).stat().st_size
    except UnreadableTensorError:  # `weights` reports it
        return 0


def _inside(location: str, folder: Path) -> Path:
    """Return the file at a location; raises UnreadableTensorError if it is outside `folder`.

    Backslashes count as separators, since Windows reads them so.
    """
    as_windows = PureWindowsPath(location)
    if not location:
        raise UnreadableTensorError("got no location, expected a file next to the model")
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
    return _resolve_links(location, folder)


def _resolve_links(location: str, folder: Path) -> Path:
    """Return the file at a location with links resolved, since a link too can lead outside."""
    try:
        root, path = folder.resolve(), (folder / location).resolve()
        is_inside, is_file = path.is_relative_to(root), path.is_file()
    except (OSError, RuntimeError, ValueError) as error:  # link loop, NUL, long name
        raise UnreadableTensorError(
            f"got {location!r} ({one_line(error)}), expected a file"
        ) from error
    if not is_inside:
        raise UnreadableTensorError(
            f"got {location!r}, a link out of the model's folder, expected a file inside it"
        )
    if not is_file:
        raise UnreadableTensorError(f"got no file {location!r}, expected it next to the model")
    return path


def _entries(tensor: onnx.TensorProto) -> Mapping[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _number(key: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise UnreadableTensorError(f"got {key} {text!r}, expected a number of bytes")
    return int(text)
