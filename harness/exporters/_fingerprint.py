"""Digest of the content of objects, so that results for equal objects can be shared."""

from __future__ import annotations

import hashlib
import pickle
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def fingerprint(*values: object) -> bytes | None:
    """Return a digest of the pickled values; None if something in them cannot be pickled.

    A tensor counts by its kind and bytes, a function or class by its name, a nested function by
    its code, defaults and closure. Unequal objects have different digests. Equal objects can have
    different digests too, if one repeats a string object where the other has two equal strings.
    """
    digest = _Digest()
    try:
        _Pickler(digest).dump(values)
    except Exception:  # the objects' own reducers may raise anything
        return None
    return digest.hash.digest()


class _Digest:
    """File-like object that hashes the bytes written by a pickler."""

    def __init__(self) -> None:
        self.hash = hashlib.blake2b()

    def write(self, data: bytes | pickle.PickleBuffer) -> int:
        self.hash.update(data)
        return memoryview(data).nbytes


class _Pickler(pickle.Pickler):
    """Pickles a tensor by its content the first time, and by its number when it occurs again."""

    def __init__(self, digest: _Digest) -> None:
        super().__init__(digest, pickle.HIGHEST_PROTOCOL)
        self._tensors: dict[int, torch.Tensor] = {}  # kept alive: the id of a freed one is reused
        self._numbers: dict[int, int] = {}
        self._storages: dict[int, int] = {}

    def persistent_id(self, value: Any) -> Any:
        import torch

        if not isinstance(value, torch.Tensor):
            return None
        if id(value) in self._tensors:
            return self._numbers[id(value)]
        self._tensors[id(value)] = value
        self._numbers[id(value)] = len(self._numbers)
        kind = (type(value).__name__, str(value.dtype), str(value.device), value.requires_grad)
        pointer = value.untyped_storage().data_ptr()
        storage = self._storages.setdefault(pointer, len(self._storages))
        place = (storage, value.storage_offset(), tuple(value.shape), value.stride())
        return (*kind, *place, _content_digest(value))

    def reducer_override(self, value: Any) -> Any:
        from torch import nn

        if isinstance(value, FunctionType) and "<locals>" in value.__qualname__:
            return tuple, (_local_function(value),)
        if isinstance(value, nn.Module) and _hooks(vars(value)):
            return tuple, ([type(value), _with_ordered_hooks(vars(value))],)
        return NotImplemented


def _local_function(function: FunctionType) -> list[object]:
    code = function.__code__
    place = (code.co_filename, code.co_firstlineno, code.co_name, code.co_code)
    closure = [cell.cell_contents for cell in function.__closure__ or ()]
    return [place, closure, function.__defaults__, function.__kwdefaults__]


def _hooks(state: dict[str, Any]) -> dict[str, dict[int, Any]]:
    return {n: v for n, v in state.items() if "_hooks" in n and isinstance(v, dict) and v}


def _with_ordered_hooks(state: dict[str, Any]) -> dict[str, Any]:
    """Number the hooks by order: torch numbers them by a counter of the whole process."""
    hooks = _hooks(state)
    numbers = sorted({number for kind in hooks.values() for number in kind})
    ordered = {
        name: {numbers.index(number): hook for number, hook in kind.items()}
        for name, kind in hooks.items()
    }
    return {**state, **ordered}


def _content_digest(tensor: torch.Tensor) -> bytes:
    import torch

    data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return hashlib.blake2b(data.numpy()).digest()
