"""One decomposition of a trace for all opsets that would decompose it alike.

torch.onnx asks a program to decompose itself by a table of the operators that an opset has no
translation for. Tables of two opsets differ in few operators, and most programs never meet those.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

Table = Mapping[Any, Callable[..., Any]]


def share_decompositions(program: ExportedProgram) -> None:
    """Make a program remember what it was decomposed into.

    Replaces the public `run_decompositions` of this one program. Where torch.onnx should call
    something else one day, or in another way, it gets what it always got.
    """
    vars(program)["run_decompositions"] = _Remembered(program)


@dataclass(frozen=True, slots=True)
class _Decomposition:
    """A decomposed program, its table, and the names of all operators that were met on the way."""

    program: ExportedProgram
    table: Table
    met: frozenset[str]

    def serves(self, table: Table) -> bool:
        """Whether decomposing by `table` would have taken the same steps.

        What is done to an operator depends on its entry alone, so that a table which differs in
        none that was met leads to the same program.
        """
        return self.met.isdisjoint(_differences(self.table, table))

    def lent(self) -> ExportedProgram:
        """For passes that work in place: the graph is a copy, all else is only read."""
        lent = copy.copy(self.program)
        module = self.program.graph_module
        lent._graph_module = _copied(module)
        return lent


class _Remembered:
    """`run_decompositions` of a program, which decomposes once for all tables that agree."""

    def __init__(self, program: ExportedProgram) -> None:
        self._plain = program.run_decompositions
        self._source = program.graph_module
        self._known: list[_Decomposition] = []

    def __call__(self, decomp_table: Table | None = None, **keywords: Any) -> ExportedProgram:
        if decomp_table is None or keywords:
            return self._plain(decomp_table, **keywords)
        for known in self._known:
            if known.serves(decomp_table):
                return known.lent()
        called: set[str] = set()
        program = self._plain(_recorded(decomp_table, called))
        if not _is_lendable(program):
            return program
        met = {*called, *_operators(self._source), *_operators(program.graph_module)}
        self._known.append(_Decomposition(program, dict(decomp_table), frozenset(met)))
        return self._known[-1].lent()


def _recorded(table: Table, called: set[str]) -> dict[Any, Callable[..., Any]]:
    """The table, with the names of those of its operators that are decomposed put into `called`."""

    def recorded(operator: Any, decompose: Callable[..., Any]) -> Callable[..., Any]:
        def decompose_and_record(*args: Any, **keywords: Any) -> Any:
            called.add(str(operator))
            return decompose(*args, **keywords)

        return decompose_and_record

    return {operator: recorded(operator, decompose) for operator, decompose in table.items()}


def _differences(first: Table, second: Table) -> Iterator[str]:
    for operator in {**first, **second}:
        one, other = first.get(operator), second.get(operator)
        if one is None or other is None or not _is_same(one, other):
            yield str(operator)


def _is_same(first: Callable[..., Any], second: Callable[..., Any]) -> bool:
    """Whether two functions are one; torch makes some anew each time that it is asked for them."""
    if isinstance(first, functools.partial) and isinstance(second, functools.partial):
        same_arguments = (first.args, first.keywords) == (second.args, second.keywords)
        return same_arguments and _is_same(first.func, second.func)
    return first is second or (
        isinstance(first, FunctionType)
        and isinstance(second, FunctionType)
        and first.__code__ is second.__code__
        and first.__closure__ is second.__closure__ is None
        and (first.__defaults__, first.__kwdefaults__)
        == (second.__defaults__, second.__kwdefaults__)
    )


def _operators(module: torch.fx.GraphModule) -> Iterator[str]:
    import torch

    for one in module.modules():
        if isinstance(one, torch.fx.GraphModule):
            yield from (str(node.target) for node in one.graph.nodes if node.op == "call_function")


def _is_lendable(program: ExportedProgram) -> bool:
    """Whether a copy of the graph is all that passes could change: no graph holds others, and the
    program keeps its own where `lent` puts the copy."""
    import torch

    graphs = [m for m in program.graph_module.modules() if isinstance(m, torch.fx.GraphModule)]
    return len(graphs) == 1 and getattr(program, "_graph_module", None) is program.graph_module


def _copied(module: torch.fx.GraphModule) -> torch.fx.GraphModule:
    import torch

    copied = torch.fx.GraphModule(module, copy.deepcopy(module.graph))
    copied.meta.update(module.meta)
    return copied
