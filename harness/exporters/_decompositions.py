"""Cache of a program's decompositions, shared by all opsets that decompose it in the same way.

torch.onnx decomposes a traced program by a table of the operators for which an opset has no
translation. The tables of two opsets differ in few operators, and most programs use none of these.
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


def cache_decompositions(program: ExportedProgram) -> None:
    """Make a program reuse the results of its earlier `run_decompositions` calls.

    Replaces this method of this one program. Only calls with a decomposition table alone, as
    torch.onnx makes them, are cached. Calls with other arguments run as usual.
    """
    vars(program)["run_decompositions"] = _CachedDecompositions(program)


@dataclass(frozen=True, slots=True)
class _Decomposition:
    """A decomposed program, its table, and the names of all operators met while decomposing."""

    program: ExportedProgram
    table: Table
    operators: frozenset[str]

    def is_valid_for(self, table: Table) -> bool:
        """Whether decomposing by `table` would give the same program.

        The treatment of an operator depends only on its entry in the table. So the result is the
        same if both tables agree on every operator that occurred.
        """
        return self.operators.isdisjoint(_differences(self.table, table))

    def copy_for_export(self) -> ExportedProgram:
        """Return a copy whose graph can be changed in place; the rest is shared and only read."""
        copied = copy.copy(self.program)
        module = self.program.graph_module
        copied._graph_module = _copied_graph(module)
        return copied


class _CachedDecompositions:
    """Replaces a program's `run_decompositions`; decomposes once for all equivalent tables."""

    def __init__(self, program: ExportedProgram) -> None:
        self._plain = program.run_decompositions
        self._source = program.graph_module
        self._known: list[_Decomposition] = []

    def __call__(self, decomp_table: Table | None = None, **keywords: Any) -> ExportedProgram:
        if decomp_table is None or keywords:
            return self._plain(decomp_table, **keywords)
        for known in self._known:
            if known.is_valid_for(decomp_table):
                return known.copy_for_export()
        called: set[str] = set()
        program = self._plain(_recording_table(decomp_table, called))
        if not _is_copyable(program):
            return program
        operators = {*called, *_operators(self._source), *_operators(program.graph_module)}
        self._known.append(_Decomposition(program, dict(decomp_table), frozenset(operators)))
        return self._known[-1].copy_for_export()


def _recording_table(table: Table, called: set[str]) -> dict[Any, Callable[..., Any]]:
    """Return the table with functions that also add the decomposed operator's name to `called`."""

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
    """Whether two functions do the same; torch creates some of them anew for each table."""
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


def _is_copyable(program: ExportedProgram) -> bool:
    """Whether `copy_for_export` protects the program from passes that work in place.

    It does if the program has no nested graphs and keeps its only graph in `_graph_module`.
    """
    import torch

    graphs = [m for m in program.graph_module.modules() if isinstance(m, torch.fx.GraphModule)]
    return len(graphs) == 1 and getattr(program, "_graph_module", None) is program.graph_module


def _copied_graph(module: torch.fx.GraphModule) -> torch.fx.GraphModule:
    import torch

    copied = torch.fx.GraphModule(module, copy.deepcopy(module.graph))
    copied.meta.update(module.meta)
    return copied
