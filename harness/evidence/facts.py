"""What follows from eager PyTorch and the description alone, computed once for all cells of a task.

Opsets and exporters of a task are judged on the same examples by the same model, so that what eager
gives for them, and what else is computed without a look at a file, need not be computed again.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeVar

from harness.errors import HarnessError

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.base import OnnxConfig

Value = TypeVar("Value")

CAPACITY = 256 * 2**20
"""Bytes of arrays from which on nothing more is kept. What came first is met again first, so that
letting go of it for what comes last would serve no cell at all."""


class Facts:
    """Values by key, each computed when it is first asked for. Not for several threads at once."""

    def __init__(self, *, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._values: dict[Hashable, Any] = {}
        self._bytes = 0
        self._depth = 0

    def get(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        """The value of a key. It must follow from the model, the description and the key alone:
        `compute` may not look at files, and nobody may change what it returned. What `compute`
        raises is not kept."""
        if key in self._values:
            kept: Value = self._values[key]
            return kept
        with self._computing():
            value = compute()
        size = sum(_nbytes(leaf) for leaf in _leaves(value))
        if self._bytes + size <= self._capacity:
            self._values[key] = value
            self._bytes += size
        return value

    def refuse_files(self) -> None:
        """To be called by whatever looks at files: raises HarnessError within a computation here,
        since the next cell has other files."""
        if self._depth:
            raise HarnessError("what is kept for other cells was about to look at a file of this")

    @contextlib.contextmanager
    def _computing(self) -> Iterator[None]:
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1


class ProvedFacts(Facts):
    """Computes everything anew, and compares it with what others keep."""

    def __init__(self, kept: Facts) -> None:
        super().__init__()
        self._kept = kept

    def get(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        """The value; raises HarnessError where another one is kept."""

        def compare() -> Value:
            value = compute()
            if not _is_same(self._kept.get(key, lambda: value), value):
                raise HarnessError(f"{key}: got another value than is kept for other cells")
            return value

        return super().get(key, compare)


class SharedFacts:
    """Keeps the facts of one model and description, and lends them to cells that have the same.

    Those of another model take their place: cells of a task come in a row.
    """

    def __init__(self) -> None:
        self._key: bytes | None = None
        self._facts = Facts()

    def of(self, model: nn.Module, config: OnnxConfig) -> Facts:
        """Those of a model that has not been exported yet, which are new ones where no other cell
        had the same to the byte, or nobody can tell."""
        from harness.exporters._fingerprint import fingerprint

        key = fingerprint(model, config)
        if key is None or key != self._key:
            self._key, self._facts = key, Facts()
        return self._facts


def _leaves(value: Any) -> Iterator[Any]:
    """What a value consists of, in order: keys, arrays, numbers and texts."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _leaves(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from _leaves(item)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        yield len(value)
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, Exception):
        yield f"{type(value).__name__}: {value}"
    else:
        yield value


def _nbytes(leaf: Any) -> int:
    size: int = getattr(leaf, "nbytes", 64)
    return size


def _is_same(first: object, second: object) -> bool:
    pairs = zip_longest(_leaves(first), _leaves(second), fillvalue=_leaves)
    return all(_is_same_leaf(one, other) for one, other in pairs)


def _is_same_leaf(first: Any, second: Any) -> bool:
    """To the bit: NaN is itself, and 0 is not -0."""
    if type(first) is not type(second):
        return False
    if not hasattr(first, "nbytes"):
        return bool(first == second)
    arrays = [leaf.numpy() if hasattr(leaf, "numpy") else leaf for leaf in (first, second)]
    one, other = ((array.shape, array.dtype, array.tobytes()) for array in arrays)
    return one == other
