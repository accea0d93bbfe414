"""Which module of the eager model a file first departs from.

Names of eager modules and of nodes have little to do with each other, but their values have: in a
correct file nearly every tensor that a module gives stands somewhere, as it is or with its axes in
another order. What is lost on the way to wrong outputs is lost where the file goes wrong.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

from harness.evidence.evaluator import load_small
from harness.evidence.modules import listening
from harness.evidence.session import PLAIN
from harness.evidence.sides import EAGER
from harness.requirements._divergence import exposing_all

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from harness.configs.base import Feed
    from harness.evidence.modules import ModuleCall
    from harness.evidence.reference import Arrays
    from harness.evidence.session import Run
    from harness.evidence.sides import PartEvidence

    Array = np.ndarray[Any, Any]

_MOST_AXES = 5
"""Of tensors whose axes are tried in every order."""


class Departure:
    """Runs eager PyTorch in place of the files and, beside it, the files with the values of all
    nodes as outputs. An execution, so that a requirement examines with it.

    `told` names the first module, of the first call that shows one, which is given what the file
    has too and gives what the file does not have.
    """

    name = "eager PyTorch beside the values of all nodes"

    def __init__(self, atol: float) -> None:
        self.told: str | None = None
        self._atol = atol

    def open(self, part: PartEvidence) -> Run:
        model = load_small(part.loadable())
        exposed, eager = PLAIN.load(exposing_all(model)), EAGER.open(part)
        stored = _stored(model)

        def run(feed: Feed) -> Arrays:
            with listening(part.owner.model) as calls:
                outputs = eager(feed)
            if self.told is None:
                values = _Values([*stored, *feed.values(), *exposed(feed).values()], self._atol)
                self.told = _first_absent(calls, values)
            return outputs

        return run


def _stored(model: onnx.ModelProto) -> list[Array]:
    from onnx import numpy_helper

    return [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]


def _first_absent(calls: Sequence[ModuleCall], values: _Values) -> str | None:
    """What is fused away is absent too, but what is made of it is not: a module is only named
    where no other one that takes what it gives comes out right."""
    for index, call in enumerate(calls):
        lost = [array for array in call.outputs if array not in values]
        if not lost or not all(array in values for array in call.inputs):
            continue
        if not _is_made_good(lost, calls[index + 1 :], values):
            return f"`{call.name}` ({call.kind})" if call.name else None
    return None


def _is_made_good(lost: Iterable[Array], later: Iterable[ModuleCall], values: _Values) -> bool:
    """Whether a later module takes one of them and gives what the file has."""
    taken = {array.tobytes() for array in lost}
    return any(
        any(array.tobytes() in taken for array in call.inputs)
        and all(array in values for array in call.outputs)
        for call in later
    )


class _Values:
    """The floating-point tensors of a file. One is among them if it is within atol times its
    magnitude of one that has its axes in some order, however they are split or joined.

    With a tenth of atol, values of correct files are lost to rounding. So what goes wrong by less
    than atol is noticed where it has grown.
    """

    def __init__(self, arrays: Iterable[Array], atol: float) -> None:
        self._atol = atol
        self._by_size: defaultdict[int, list[Array]] = defaultdict(list)
        for array in filter(_is_judged, arrays):
            self._by_size[array.size].append(array)

    def __contains__(self, array: Array) -> bool:
        """What is not judged is not looked for."""
        import numpy as np

        if not _is_judged(array):
            return True
        allowed = self._atol * max(1.0, float(np.abs(array).max()))
        return any(_is_laid_out(array, other, allowed) for other in self._by_size[array.size])


def _is_judged(array: object) -> TypeGuard[Array]:
    """A single number could be anywhere by chance; NaN stands where nothing may look."""
    import numpy as np

    if not isinstance(array, np.ndarray):
        return False  # a sequence of tensors
    return array.dtype.kind == "f" and array.size > 1 and bool(np.isfinite(array).all())


def _is_laid_out(array: Array, other: Array, allowed: float) -> bool:
    """Whether two tensors of one size have the same numbers, of which either is a transpose."""
    import numpy as np

    if not _is_near(np.sort(array, axis=None), np.sort(other, axis=None), allowed):
        return False
    pairs = itertools.chain(
        ((layout, other.ravel()) for layout in _layouts(array)),
        ((array.ravel(), layout) for layout in _layouts(other)),
    )
    return any(_is_near(first, second, allowed) for first, second in pairs)


def _is_near(first: Array, second: Array, allowed: float) -> bool:
    import numpy as np

    return float(np.abs(np.subtract(first, second, dtype=np.float64)).max()) <= allowed


def _layouts(array: Array) -> Iterator[Array]:
    if array.ndim <= _MOST_AXES:
        yield from (array.transpose(p).ravel() for p in itertools.permutations(range(array.ndim)))
