"""Compare the results of a node with the definition of its operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.errors import one_line
from harness.evidence.kernels.call import Call, NoReferenceError
from harness.evidence.kernels.measures import Difference, Expected, difference
from harness.evidence.kernels.narrowing import Narrowed, narrow
from harness.evidence.kernels.results import KernelFinding
from harness.evidence.kernels.rules import Rule

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class OutputDifference:
    """The largest difference of an output of a node, and how large it may be."""

    output: str
    difference: Difference
    bound: float

    @property
    def holds(self) -> bool:
        return self.difference.value <= self.bound

    @property
    def ratio(self) -> float:
        """The difference in bounds; infinite if it is not 0 and must be."""
        if self.bound:
            return self.difference.value / self.bound
        return float("inf") if self.difference.value else 0.0

    def finding(self, node: str, operator: str) -> KernelFinding:
        """Return the finding for this output."""
        place = f"`{self.output}`{list(self.difference.index) or ''}"
        return KernelFinding(
            node,
            operator,
            f"{self.difference.got} at {place}",
            f"{self.difference.expected} within {self.bound:g} {self.difference.unit} "
            f"(they differ by {self.difference.value:.3g})",
        )


def compare_node(
    rule: Rule, call: Call, results: Mapping[str, Array]
) -> Sequence[OutputDifference]:
    """Return the difference of each output from the definition of the operator.

    If the definition permits several results, the nearest one counts. Raises NoReferenceError if
    the operator has no reference, or it does not cover this call.
    """
    if not rule.references:
        raise NoReferenceError("its operator has no reference here")
    narrowed = narrow(call, results)
    compared = []
    for reference in rule.references:
        try:
            expected = reference(narrowed.call)
        except (ValueError, IndexError) as error:  # shapes that the definition does not foresee
            raise NoReferenceError(f"its reference fails: {one_line(error)}") from error
        if expected is not None:
            compared.append(_differences(rule, narrowed, expected))
    return min(compared, key=lambda outputs: max((o.ratio for o in outputs), default=0.0))


def _differences(
    rule: Rule, narrowed: Narrowed, expected: Sequence[Expected | None]
) -> Sequence[OutputDifference]:
    found = []
    for name, one in zip(narrowed.call.node.output, expected, strict=False):
        if name and one is not None:
            measured = difference(narrowed.results[name], one)
            placed = replace(measured, index=narrowed.place(measured.index))
            found.append(OutputDifference(name, placed, rule.bound(measured.unit)))
    if not found:
        raise NoReferenceError("its reference returns none of its outputs")
    return found
