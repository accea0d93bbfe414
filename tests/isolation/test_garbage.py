"""What a judge gives back after a cell."""

from __future__ import annotations

import linecache
import traceback

import pytest
import torch
from torch.fx import GraphModule, graph_module, symbolic_trace

from harness.isolation.garbage import GENERATED, Garbage


class Product(torch.nn.Module):
    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return left @ right


@pytest.fixture
def traced() -> GraphModule:
    """A module whose text torch.fx keeps, and linecache since a traceback showed it."""
    module = symbolic_trace(Product())
    assert _failure_of(module)
    assert any(name.startswith(GENERATED) for name in graph_module._loader.eval_cache)
    assert any(name.startswith(GENERATED) for name in linecache.cache)
    return module


def test_texts_of_generated_modules_are_forgotten(traced: GraphModule) -> None:
    Garbage().give_back()
    assert not graph_module._loader.eval_cache
    assert not any(name.startswith(GENERATED) for name in linecache.cache)


def test_a_module_without_its_text_runs_and_fails_as_before(traced: GraphModule) -> None:
    told = _failure_of(traced)
    Garbage().give_back()
    assert traced(torch.eye(2), torch.ones(2, 3)).tolist() == [[1.0] * 3] * 2
    assert _failure_of(traced) == told


def test_files_on_disk_keep_their_lines() -> None:
    lines = linecache.getlines(__file__)
    Garbage().give_back()
    assert linecache.cache[__file__][2] == lines  # type: ignore[misc]


def _failure_of(module: GraphModule) -> str:
    """What is said when shapes do not fit, with a traceback formatted."""
    try:
        module(torch.ones(2, 3), torch.ones(2, 3))
    except RuntimeError as error:
        traceback.format_exc()
        return str(error)
    raise AssertionError("shapes that do not fit were multiplied")
