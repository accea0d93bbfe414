"""Find the first module of the eager model whose output a file does not compute.

The names of eager modules and of ONNX nodes are hardly related, but their values are: a correct
file contains nearly every module output among its values, possibly with its axes in another order.
A module whose inputs are among the file's values and whose output is not shows where the file goes
wrong.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

from harness.evidence.eager_executions import EAGER
from harness.evidence.evaluator import UndecidedError, load_small
from harness.evidence.execution import PLAIN
from harness.evidence.modules import recording_module_calls
from harness.requirements._node_comparison import expose_all_values

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from harness.configs.feeds import Feed
    from harness.evidence.eager_part import EagerPart
    from harness.evidence.modules import ModuleCall
    from harness.evidence.part_file import PartFile
    from harness.evidence.reference import Arrays
    from harness.evidence.session import Run
    from harness.evidence.tolerance import Tolerance

    Array = np.ndarray[Any, Any]

_MAX_AXES = 5
"""Largest rank for which all axis orders are tried."""


class ModuleComparison:
    """Execution that returns the outputs of eager PyTorch, and also runs the files with the values
    of all nodes as outputs. A requirement examines an example with it.

    `module` is the first module whose inputs are among the file's values and whose output is not,
    from the first run that shows one. None if no run shows one.
    """

    name = "eager PyTorch compared with the values of all nodes"

    def __init__(self, tolerance: Tolerance) -> None:
        self.module: str | None = None
        self._atol = tolerance.largest

    def open(self, file: PartFile, eager: EagerPart) -> Run:
        if file.merged is not None:
            raise UndecidedError("the values of a branch of a merged decoder cannot be shown")
        model = load_small(file.loadable_path())
        exposed, run_eager = PLAIN.load(expose_all_values(model)), EAGER.open(file, eager)
        stored = _initializer_arrays(model)

        def run(feed: Feed) -> Arrays:
            with recording_module_calls(eager.copies.original) as calls:
                outputs = run_eager(feed)
            if self.module is None:
                values = _FileValues([*stored, *feed.values(), *exposed(feed).values()], self._atol)
                self.module = _first_wrong_module(calls, values)
            return outputs

        return run


def _initializer_arrays(model: onnx.ModelProto) -> list[Array]:
    from onnx import numpy_helper

    return [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]


def _first_wrong_module(calls: Sequence[ModuleCall], values: _FileValues) -> str | None:
    """Return the first module whose inputs are in `values` and whose output is not, or None.

    An output that was only fused away does not count: then a later module that takes it has its
    outputs in `values`.
    """
    for index, call in enumerate(calls):
        lost = [array for array in call.outputs if array not in values]
        if not lost or not all(array in values for array in call.inputs):
            continue
        if not _is_recovered(lost, calls[index + 1 :], values):
            return f"`{call.name}` ({call.kind})" if call.name else None
    return None


def _is_recovered(lost: Iterable[Array], later: Iterable[ModuleCall], values: _FileValues) -> bool:
    """Whether a later module takes a lost array and has all of its outputs in `values`."""
    taken = {array.tobytes() for array in lost}
    return any(
        any(array.tobytes() in taken for array in call.inputs)
        and all(array in values for array in call.outputs)
        for call in later
    )


class _FileValues:
    """The floating-point tensors of a file.

    A tensor is among them if a stored one differs from it, with the axes of either in some order,
    by at most atol x max(1, largest magnitude). Axes may be split or joined. A limit of atol / 10
    would report rounding in correct files, so an error below atol is found only after a module
    where it has grown.
    """

    def __init__(self, arrays: Iterable[Array], atol: float) -> None:
        self._atol = atol
        self._by_size: defaultdict[int, list[Array]] = defaultdict(list)
        for array in filter(_is_comparable, arrays):
            self._by_size[array.size].append(array)

    def __contains__(self, array: Array) -> bool:
        """Whether `array` is among the values; always true if it is not comparable."""
        import numpy as np

        if not _is_comparable(array):
            return True
        allowed = self._atol * max(1.0, float(np.abs(array).max()))
        return any(_is_transposed(array, other, allowed) for other in self._by_size[array.size])


def _is_comparable(array: object) -> TypeGuard[Array]:
    """Whether an array is a finite floating-point tensor of more than one element.

    A single number may match by chance. NaN and infinity mark masked positions.
    """
    import numpy as np

    if not isinstance(array, np.ndarray):
        return False  # the value of a node may be a sequence of tensors
    return array.dtype.kind == "f" and array.size > 1 and bool(np.isfinite(array).all())


def _is_transposed(array: Array, other: Array, allowed: float) -> bool:
    """Whether two tensors of one size have the same values after some transposition of either."""
    import numpy as np

    if not _is_close(np.sort(array, axis=None), np.sort(other, axis=None), allowed):
        return False
    pairs = itertools.chain(
        ((transpose, other.ravel()) for transpose in _transposes(array)),
        ((array.ravel(), transpose) for transpose in _transposes(other)),
    )
    return any(_is_close(first, second, allowed) for first, second in pairs)


def _is_close(first: Array, second: Array, allowed: float) -> bool:
    import numpy as np

    return float(np.abs(np.subtract(first, second, dtype=np.float64)).max()) <= allowed


def _transposes(array: Array) -> Iterator[Array]:
    if array.ndim <= _MAX_AXES:
        yield from (array.transpose(p).ravel() for p in itertools.permutations(range(array.ndim)))
