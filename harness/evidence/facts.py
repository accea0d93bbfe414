"""Values that depend on eager PyTorch and the description alone, shared by all cells of a task.

All opsets and exporters of a task are judged on the same examples with the same model. Eager's
outputs for them, and all else that is computed without access to a file, are computed only once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.evidence.byte_cache import CAPACITY, ByteCache, Value, leaves

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.base import OnnxConfig


class Facts:
    """Cache of values by key, each computed at its first request. Not thread-safe."""

    def __init__(self, *, capacity: int = CAPACITY) -> None:
        self._values = ByteCache(capacity=capacity)
        self._depth = 0

    def get(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        """Return the value of a key; compute it if it is not cached.

        The value must depend on the model, the description and the key alone. `compute` must not
        access files, and callers must not modify the returned value. Exceptions are not cached.
        """

        def compute_without_files() -> Value:
            with self._computing():
                return compute()

        return self._values.get(key, compute_without_files)

    def check_files_allowed(self) -> None:
        """Raise HarnessError if a cached value is being computed.

        Every access to files calls this first: a value that depends on the files of one cell would
        be wrong for the next cell.
        """
        if self._depth:
            raise HarnessError(
                "facts: got access to a file of this cell, expected none while a value that other "
                "cells share is computed; compute it outside `fact`"
            )

    @contextlib.contextmanager
    def _computing(self) -> Iterator[None]:
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1


class RecomputedFacts(Facts):
    """Computes each value again and compares it with the value that another `Facts` has cached."""

    def __init__(self, kept: Facts) -> None:
        super().__init__()
        self._kept = kept

    def get(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        """Return the new value; raises HarnessError if a different value is cached."""

        def compare() -> Value:
            value = compute()
            if not _is_same(self._kept.get(key, lambda: value), value):
                raise HarnessError(f"{key}: got another value than is cached for other cells")
            return value

        return super().get(key, compare)


class SharedFacts:
    """Facts of one model and description, shared by the cells that have the same.

    Only the last model's facts are kept: the cells of a task come one after the other.
    """

    def __init__(self) -> None:
        self._key: bytes | None = None
        self._facts = Facts()

    def facts_for(self, model: nn.Module, config: OnnxConfig) -> Facts:
        """Return the facts cached for this model and config; call this before any export.

        They are new if the model or the config differs from the last one in any byte, or if they
        cannot be fingerprinted.
        """
        from harness.exporters._fingerprint import fingerprint

        key = fingerprint(model, config)
        if key is None or key != self._key:
            self._key, self._facts = key, Facts()
        return self._facts


def _is_same(first: object, second: object) -> bool:
    pairs = zip_longest(leaves(first), leaves(second), fillvalue=leaves)
    return all(_is_same_leaf(one, other) for one, other in pairs)


def _is_same_leaf(first: Any, second: Any) -> bool:
    """Compare bit by bit: NaN equals NaN, and 0 differs from -0."""
    if type(first) is not type(second):
        return False
    if not hasattr(first, "nbytes"):
        return bool(first == second)
    arrays = [leaf.numpy() if hasattr(leaf, "numpy") else leaf for leaf in (first, second)]
    one, other = ((array.shape, array.dtype, array.tobytes()) for array in arrays)
    return one == other
