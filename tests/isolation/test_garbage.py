"""What a judge gives back after a cell."""

from __future__ import annotations

import linecache
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

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


def test_environments_of_exports_that_are_gone_are_freed() -> None:
    """In a process of its own, as a judge is: what other tests leave behind may hold one too."""
    code = f"""
import gc, sys, weakref
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_garbage import Garbage, _environment_of, _exported

garbage = Garbage(step=0)
environment = weakref.ref(_environment_of(_exported()))
_exported()  # torch keeps the last one's proxies
gc.collect()
assert environment() is not None, "torch frees it by itself: nothing is left to let go of"
garbage.give_back()
assert environment() is None
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_a_program_that_is_in_use_is_lowered_as_before() -> None:
    garbage = Garbage(step=0)
    lowered, kept = torch.onnx.export(_exported(), (), verbose=False), _exported()
    garbage.give_back()
    again = torch.onnx.export(kept, (), verbose=False)
    assert lowered is not None
    assert again is not None
    assert again.model_proto.SerializeToString() == lowered.model_proto.SerializeToString()


def _exported() -> torch.export.ExportedProgram:
    """Has a symbol, the axis that both inputs share."""
    feed, shared = (torch.ones(2, 3), torch.ones(3, 4)), torch.export.Dim("shared")
    return torch.export.export(Product(), feed, dynamic_shapes=({1: shared}, {0: shared}))


def _environment_of(program: torch.export.ExportedProgram) -> Any:
    fakes = [node.meta["val"] for node in program.graph.nodes if "val" in node.meta]
    return fakes[0].fake_mode.shape_env


def _failure_of(module: GraphModule) -> str:
    """What is said when shapes do not fit, with a traceback formatted."""
    try:
        module(torch.ones(2, 3), torch.ones(2, 3))
    except RuntimeError as error:
        traceback.format_exc()
        return str(error)
    raise AssertionError("shapes that do not fit were multiplied")
