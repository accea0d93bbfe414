"""A decomposition is reused for another opset only if the result is the same."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import nn
from torch.export import Dim, ExportedProgram, default_decompositions
from torch.nn import functional
from torch.onnx._internal.exporter import _registration

from harness.evidence.isomorphism import graph_differences
from harness.exporters._decompositions import cache_decompositions
from harness.exporters._quiet import quiet
from harness.exporters._registries import Registries

NORM_IS_AN_OPERATOR_FROM = 23
Table = dict[Any, Callable[..., Any]]


class Gated(nn.Module):
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return functional.gelu(values) * functional.softplus(values)


class Normed(nn.Module):
    """Contains an operator that opsets 18 to 22 decompose and later opsets translate."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.5, 1.5, 2.0, -1.0]), requires_grad=False)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return functional.gelu(functional.rms_norm(values, (4,), self.weight))


class Distance(nn.Module):
    """Is decomposed into a norm, which is then decomposed too."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return functional.pairwise_distance(values, values.flip(0))


@pytest.fixture
def decomposed(monkeypatch: pytest.MonkeyPatch) -> list[ExportedProgram]:
    """Return the list of decomposed programs that torch makes while a test runs."""
    made: list[ExportedProgram] = []
    plain = ExportedProgram.run_decompositions

    def counted(self: ExportedProgram, *args: Any, **keywords: Any) -> ExportedProgram:
        made.append(plain(self, *args, **keywords))
        return made[-1]

    monkeypatch.setattr(ExportedProgram, "run_decompositions", counted)
    return made


def program_of(model: nn.Module, *, shares: bool = True) -> ExportedProgram:
    with torch.no_grad():
        shapes = ({0: Dim("batch_size")},)
        program = torch.export.export(model, (torch.randn(3, 4),), dynamic_shapes=shapes)
    if shares:
        cache_decompositions(program)
    return program


def file_of(program: ExportedProgram, opset: int, folder: Path) -> onnx.ModelProto:
    with quiet(), torch.no_grad():
        exported = torch.onnx.export(program, (), opset_version=opset, verbose=False)
    assert exported is not None
    exported.save(folder / "model.onnx")
    return onnx.load(folder / "model.onnx")


@pytest.mark.gate_cases(1)
@pytest.mark.parametrize("model", [Gated(), Normed()], ids=["gated", "normed"])
@pytest.mark.parametrize("opsets", [(18, 20, 23), (23, 20, 18)], ids=str)
def test_files_of_all_opsets_in_any_order_equal_files_of_fresh_traces(
    model: nn.Module, opsets: Sequence[int], tmp_path: Path
) -> None:
    program = program_of(model)
    for opset in opsets:
        alone = program_of(model, shares=False)
        assert not list(
            graph_differences(file_of(program, opset, tmp_path), file_of(alone, opset, tmp_path))
        )


@pytest.mark.gate_cases(1)
@pytest.mark.parametrize(("model", "times"), [(Gated(), 1), (Normed(), 2)])
def test_opsets_with_equal_decompositions_share_one(
    model: nn.Module, times: int, decomposed: list[ExportedProgram], tmp_path: Path
) -> None:
    program = program_of(model)
    for opset in (18, 20, 23, 24, 18):
        has_norm = "RMSNormalization" in _operators(file_of(program, opset, tmp_path))
        assert has_norm == (times == 2 and opset >= NORM_IS_AN_OPERATOR_FROM)
    assert len(decomposed) == times


def _operators(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_operator_that_appears_only_during_decomposition_counts(
    order: tuple[int, int], decomposed: list[ExportedProgram]
) -> None:
    norm = torch.ops.aten.linalg_vector_norm.default
    with_norm: Table = dict(default_decompositions().items())
    with_norm[norm] = torch._decomp.decomposition_table[norm]
    without = {key: value for key, value in with_norm.items() if key is not norm}
    program = program_of(Distance())
    kept = [norm in _targets(program.run_decompositions((with_norm, without)[i])) for i in order]
    assert kept == [bool(i) for i in order]
    assert len(decomposed) == 2


def _targets(program: ExportedProgram) -> list[Any]:
    return [node.target for node in program.graph.nodes]


def test_a_changed_decomposition_function_makes_another_table(
    decomposed: list[ExportedProgram],
) -> None:
    gelu = torch.ops.aten.gelu.default
    program = program_of(Gated())
    for scale in (1.0, 2.0):

        def scaled(values: torch.Tensor, *, factor: float = scale, **_: Any) -> torch.Tensor:
            return values * factor

        program.run_decompositions({**default_decompositions(), gelu: scaled})
    assert len(decomposed) == 2


def test_a_pass_changes_its_own_copy_only() -> None:
    program = program_of(Gated())
    table: Table = dict(default_decompositions().items())
    before = _targets(program.run_decompositions(table))
    graph = program.run_decompositions(table).graph_module.graph
    for node in graph.nodes:
        if node.op == "call_function":
            node.target = operator.add
            node.meta.clear()
    again = program.run_decompositions(table)
    assert _targets(again) == before
    assert all(node.meta for node in again.graph.nodes if node.op == "call_function")


def test_calls_with_other_arguments_are_not_cached(decomposed: list[ExportedProgram]) -> None:
    program = program_of(Gated())
    for _ in range(2):
        program.run_decompositions()
        program.run_decompositions({}, decompose_custom_triton_ops=False)
    assert len(decomposed) == 4


def test_a_registry_is_made_once_per_opset_and_copied_for_each_use() -> None:
    registries = Registries()
    plain = inspect.getattr_static(_registration.ONNXRegistry, "from_torchlib")
    with registries.in_use():
        first = _registration.ONNXRegistry.from_torchlib(opset_version=20)
        first.functions.clear()
        second = _registration.ONNXRegistry.from_torchlib(opset_version=20)
        other = _registration.ONNXRegistry.from_torchlib(opset_version=23)
    alone = _registration.ONNXRegistry.from_torchlib(opset_version=20)
    assert second.opset_version == alone.opset_version == 20
    assert list(second.functions) == list(alone.functions)
    assert list(other.functions) != list(alone.functions)
    assert inspect.getattr_static(_registration.ONNXRegistry, "from_torchlib") is plain


def test_a_failing_export_restores_torch() -> None:
    plain = inspect.getattr_static(_registration.ONNXRegistry, "from_torchlib")
    with pytest.raises(ZeroDivisionError), Registries().in_use():
        raise ZeroDivisionError
    assert inspect.getattr_static(_registration.ONNXRegistry, "from_torchlib") is plain


def test_a_registry_of_another_form_is_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        def from_torchlib(self) -> None:
            """Not a class method."""

    monkeypatch.setattr(_registration, "ONNXRegistry", Other)
    before = dict(vars(Other))
    with Registries().in_use():
        assert dict(vars(Other)) == before
