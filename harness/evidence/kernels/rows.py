"""Compare each row of a feed, run alone, with the same row among the others.

DynamicQuantizeLinear computes one scale for all rows, so a row alone has another scale. Each row
therefore runs with the scales of all rows: what still differs is not explained by a scale.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.evidence.kernels.graphs import reads
from harness.evidence.kernels.half_operators import HALVES
from harness.evidence.kernels.measures import Difference, is_float, ulp
from harness.evidence.kernels.results import KernelFinding, RowResult
from harness.evidence.kernels.rules import CODE_TYPES, FEW_ULPS, INNER_SCALES
from harness.evidence.kernels.source import Source
from harness.evidence.onnx_file import graph_inputs
from harness.evidence.session import CandidateError

if TYPE_CHECKING:
    from harness.configs.feeds import Feed
    from harness.evidence.kernels.recording import JudgedNode
    from harness.evidence.reference import Arrays

    Array = np.ndarray[Any, Any]

_COMPARED = CODE_TYPES | HALVES | {"int32", "float32"}
_NO_ROWS = "the feed has one row, or its inputs share no symbolic first axis"


class RowComparison:
    """Runs each row of a feed alone, and collects the nodes whose results differ.

    A difference that rounding permits is kept: the nodes that read it may differ too, and are
    counted as explained.
    """

    def __init__(self, source: Source, feed: Feed, *, dtypes: Mapping[str, str]) -> None:
        self.findings: list[KernelFinding] = []
        self._source, self._dtypes = source, dtypes
        self._fixed = source.with_fixed_scales()
        self._feeds = list(self._single_rows(feed))
        self._note = None if self._feeds else _NO_ROWS
        self._counts: Counter[str] = Counter()
        self._explained: set[str] = set()
        self._position = 0

    def add(self, batch: Sequence[JudgedNode], values: Arrays) -> None:
        """Compare the values of a batch of nodes with their values for each row alone."""
        if not self._feeds:
            return
        names = dict.fromkeys(name for one in batch for name in one.node.outputs)
        inner = [name for name in names if name not in self._source.scale_names]
        try:
            exposed = self._fixed.expose(inner, self._dtypes)
            alone = [exposed.run(row) for row in self._feeds]
        except CandidateError as error:
            self._note, self._feeds = f"a row alone does not run: {error}", []
            return
        for one in batch:
            self._pass_to(one)
            self._compare(one, values, alone)

    def result(self) -> RowResult:
        """Return how many rows and values were compared."""
        return RowResult(rows=len(self._feeds), note=self._note, **self._counts)

    def _single_rows(self, feed: Feed) -> Iterator[Feed]:
        names = shared_rows(self._source, feed)
        count = len(feed[names[0]]) if names else 0
        scales = self._source.scale_names
        fixed = self._source.expose(scales, {}).run(feed) if count > 1 and scales else {}
        for row in range(count if count > 1 else 0):
            yield {
                **{n: v[row : row + 1] if n in names else v for n, v in feed.items()},
                **fixed,
            }

    def _pass_to(self, one: JudgedNode) -> None:
        """Follow explained differences through the nodes before this one."""
        nodes = self._source.nodes
        while nodes[self._position] is not one.node:
            node = nodes[self._position]
            if not self._explained.isdisjoint(reads(node.proto)):
                self._explained |= set(node.outputs)
            self._position += 1
        self._position += 1

    def _compare(self, one: JudgedNode, values: Arrays, alone: Sequence[Arrays]) -> None:
        is_explained = one.node.operator in INNER_SCALES or not self._explained.isdisjoint(
            reads(one.node.proto)
        )
        for name in one.node.outputs:
            if name not in alone[0] or values[name].dtype.name not in _COMPARED:
                continue
            found = [
                row_difference(values[name], single[name], row, rows=len(alone))
                for row, single in enumerate(alone)
            ]
            known = [difference for difference in found if difference is not None]
            self._counts["unaligned"] += len(known) < len(found)
            self._counts["explained" if is_explained else "compared"] += len(known)
            if any(difference.value for difference in known):
                self._explained.add(name)
            if not is_explained:
                self._judge(one, name, known)

    def _judge(self, one: JudgedNode, name: str, found: Sequence[Difference]) -> None:
        worst = max(found, key=lambda difference: difference.value, default=None)
        if worst is None:
            return
        bound = FEW_ULPS if worst.unit == "ulps" else self._codes(one)
        if worst.value > bound:
            self.findings.append(
                KernelFinding(
                    one.node.name,
                    one.node.operator,
                    f"{worst.got} at `{name}`{list(worst.index)} among the other rows",
                    f"{worst.expected} as for this row alone, within {bound:g} {worst.unit} "
                    f"(they differ by {worst.value:.3g})",
                )
            )

    def _codes(self, one: JudgedNode) -> int:
        """Return 1 for a node that may round floats to codes: their rounding may differ."""
        inputs = [name for name in one.node.proto.input if name and name not in self._source.stored]
        has_floats = any("float" in self._dtypes.get(name, "") for name in inputs)
        return max(one.rule.codes, int(has_floats))


def shared_rows(source: Source, feed: Feed) -> list[str]:
    """Return the inputs whose first axis has the symbol that most inputs have there."""
    symbols = {
        name: value.dims[0]
        for name, value in graph_inputs(source.model).items()
        if name in feed and value.dims and isinstance(value.dims[0], str)
    }
    if not symbols:
        return []
    (common, _), *_ = Counter(symbols.values()).most_common(1)
    return [name for name, symbol in symbols.items() if symbol == common]


def row_difference(whole: Array, alone: Array, row: int, *, rows: int) -> Difference | None:
    """Return the largest difference of a row; None if no axis has `rows` times as many values.

    Floats are measured in ulps of their type, at least of float16, at the row's largest value:
    products for one row are summed in another order than products for several rows.
    """
    axis = _row_axis(whole.shape, alone.shape, rows)
    if axis is None:
        return None
    unit = "ulps" if is_float(alone.dtype) else "codes"
    if alone.size == 0:
        return Difference(unit, 0.0)
    size = alone.shape[axis]
    blocks = (range(row * size, (row + 1) * size), range(row, rows * size, rows))
    measured = [_measure(whole.take(block, axis=axis), alone, unit) for block in blocks]
    return min(measured, key=lambda difference: difference.value)


def _measure(among: Array, alone: Array, unit: str) -> Difference:
    first, second = among.astype(np.float64), alone.astype(np.float64)
    with np.errstate(all="ignore"):
        apart = np.where(first == second, 0.0, np.abs(first - second))
    apart = np.where(np.isnan(first) & np.isnan(second), 0.0, np.nan_to_num(apart, nan=np.inf))
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(apart)), apart.shape))
    value = float(apart[index])
    if unit == "ulps" and value:
        finite = np.abs(second[np.isfinite(second)])
        kind = alone.dtype if alone.dtype.name in HALVES else np.dtype(np.float16)
        value /= float(ulp(np.asarray(finite.max(initial=0.0)), kind))
    return Difference(unit, value, index, str(among[index]), str(alone[index]))


def _row_axis(whole: tuple[int, ...], alone: tuple[int, ...], rows: int) -> int | None:
    """Return the only axis whose sizes differ, if it has `rows` times as many values."""
    if len(whole) != len(alone):
        return None
    differing = [
        axis for axis, sizes in enumerate(zip(whole, alone, strict=True)) if len(set(sizes)) > 1
    ]
    if len(differing) != 1 or whole[differing[0]] != rows * alone[differing[0]]:
        return None
    return differing[0]
