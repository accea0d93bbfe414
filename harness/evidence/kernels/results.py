"""Results of the comparison of a file's kernels with the definitions of their operators."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KernelFinding:
    """A node whose result differs from the definition of its operator, or depends on other rows."""

    node: str
    operator: str
    got: str
    expected: str

    def __str__(self) -> str:
        return f"node `{self.node}` ({self.operator}): got {self.got}, expected {self.expected}"


@dataclass(frozen=True, slots=True)
class UncheckedNode:
    """A node that was not compared, with the reason."""

    node: str
    operator: str
    reason: str

    def __str__(self) -> str:
        return f"node `{self.node}` ({self.operator}): {self.reason}"


@dataclass(frozen=True, slots=True)
class LargestDifference:
    """The largest difference of an operator's results from its definition, in one unit.

    `unit` is `codes` for integers and `ulps` for floats. `node` is None if nothing differs.
    """

    unit: str
    value: float
    bound: float
    node: str | None


@dataclass(frozen=True, slots=True)
class OperatorResult:
    """All nodes of one operator: how many there are, how many were compared, and how exactly."""

    operator: str
    nodes: int
    checked: int
    differences: tuple[LargestDifference, ...]


@dataclass(frozen=True, slots=True)
class RowResult:
    """The comparison of each row alone with the same row among the others.

    `rows` is 0 if no row was compared, and `note` then says why. `compared` counts pairs of a value
    and a row; `explained` counts other pairs, which may differ, since a value before the node is
    rounded otherwise; `unaligned` counts values without an axis for rows.
    """

    rows: int = 0
    compared: int = 0
    explained: int = 0
    unaligned: int = 0
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Facts that decide which kernels the runtime chooses."""

    processor: str
    flags: tuple[str, ...]
    runtime: str
    provider: str
    optimised: bool
    session_options: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class KernelResults:
    """What was compared, and with which result.

    `unchecked` lists nodes without a reference, and `without_kernel` nodes that the runtime cannot
    run, or that depend on such a node: neither is a finding, and neither was proved.
    """

    operators: tuple[OperatorResult, ...]
    findings: tuple[KernelFinding, ...]
    unchecked: tuple[UncheckedNode, ...]
    without_kernel: tuple[UncheckedNode, ...]
    rows: RowResult
    capabilities: Capabilities
