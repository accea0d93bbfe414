"""A judge frees the memory of a cell."""

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

from harness.isolation.garbage import GENERATED, GarbageCollector


class Product(torch.nn.Module):
    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return left @ right


@pytest.fixture
def traced() -> GraphModule:
    """A module whose source text torch.fx keeps, and linecache too after a traceback."""
    module = symbolic_trace(Product())
    assert _failure_of(module)
    assert any(name.startswith(GENERATED) for name in graph_module._loader.eval_cache)
    assert any(name.startswith(GENERATED) for name in linecache.cache)
    return module


def test_texts_of_generated_modules_are_forgotten(traced: GraphModule) -> None:
    GarbageCollector().collect()
    assert not graph_module._loader.eval_cache
    assert not any(name.startswith(GENERATED) for name in linecache.cache)


def test_a_module_without_its_text_runs_and_fails_as_before(traced: GraphModule) -> None:
    before = _failure_of(traced)
    GarbageCollector().collect()
    assert traced(torch.eye(2), torch.ones(2, 3)).tolist() == [[1.0] * 3] * 2
    assert _failure_of(traced) == before


def test_files_on_disk_keep_their_lines() -> None:
    lines = linecache.getlines(__file__)
    GarbageCollector().collect()
    assert linecache.cache[__file__][2] == lines  # type: ignore[misc]


def test_environments_of_exports_that_are_gone_are_freed() -> None:
    """Runs in its own process, like a judge: objects of other tests may refer to an environment."""
    code = f"""
import gc, sys, weakref
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_garbage import GarbageCollector, _environment_of, _exported

garbage = GarbageCollector(step=0)
environment = weakref.ref(_environment_of(_exported()))
_exported()  # torch keeps the last one's proxies
gc.collect()
assert environment() is not None, "torch frees the environment by itself: remove the code that does"
garbage.collect()
assert environment() is None
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_a_program_that_is_in_use_is_lowered_as_before() -> None:
    garbage = GarbageCollector(step=0)
    lowered, kept = torch.onnx.export(_exported(), (), verbose=False), _exported()
    garbage.collect()
    again = torch.onnx.export(kept, (), verbose=False)
    assert lowered is not None
    assert again is not None
    assert again.model_proto.SerializeToString() == lowered.model_proto.SerializeToString()


def _exported() -> torch.export.ExportedProgram:
    """An exported program with one symbol: the axis that both inputs share."""
    feed, shared = (torch.ones(2, 3), torch.ones(3, 4)), torch.export.Dim("shared")
    return torch.export.export(Product(), feed, dynamic_shapes=({1: shared}, {0: shared}))


def _environment_of(program: torch.export.ExportedProgram) -> Any:
    fakes = [node.meta["val"] for node in program.graph.nodes if "val" in node.meta]
    return fakes[0].fake_mode.shape_env


def _failure_of(module: GraphModule) -> str:
    """Return the error message for shapes that do not fit; formats the traceback as well."""
    try:
        module(torch.ones(2, 3), torch.ones(2, 3))
    except RuntimeError as error:
        traceback.format_exc()
        return str(error)
    raise AssertionError("shapes that do not fit were multiplied")
