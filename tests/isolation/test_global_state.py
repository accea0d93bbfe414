"""Global state that a cell changed is reported; state that it only used is not."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import masking_utils

from harness.isolation.global_state import differences, snapshot


def default_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_default_dtype(torch.float64)


def threads_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(torch.get_num_threads() + 1)


def gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_grad_enabled(False)


def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEFT_BY_A_CELL", "1")


def folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")


def function_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn.functional, "gelu", lambda x: x)


def method_of_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn.Module, "eval", lambda self: self)


def function_of_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking_utils, "create_causal_mask", lambda *a, **k: None)


def import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, "/nowhere"])


CHANGES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "torch default dtype": default_dtype,
    "torch threads": threads_of_torch,
    "torch gradients": gradients,
    "environment": environment,
    "working directory": folder,
    "torch.nn.functional.gelu": function_of_torch,
    "torch.nn.modules.module.Module.eval": method_of_module,
    "transformers.masking_utils.create_causal_mask": function_of_transformers,
    "sys.path": import_path,
}


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    dtype, threads, grad = torch.get_default_dtype(), torch.get_num_threads(), True
    here = Path.cwd()
    yield
    torch.set_default_dtype(dtype)
    torch.set_num_threads(threads)
    torch.set_grad_enabled(grad)
    os.chdir(here)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot()
    CHANGES[name](monkeypatch)
    named = {text.partition(": ")[0].removesuffix(" is not what it was") for text in left(before)}
    assert name in named
    assert named <= {name, "torch.Storage"}  # which follows the default dtype


def test_a_thread_that_goes_on_is_named() -> None:
    end = threading.Event()
    before = snapshot()
    thread = threading.Thread(target=end.wait, name="left")
    thread.start()
    try:
        (text,) = left(before)
        assert text.startswith("threads: ")
        assert "'left'" in text
    finally:
        end.set()
        thread.join()


def test_use_is_no_change(tmp_path: Path) -> None:
    before = snapshot()
    model: Any = torch.nn.Linear(3, 2).eval()
    with torch.no_grad():
        model(torch.zeros(1, 3))
    (tmp_path / "file").touch()
    assert left(before) == []


def left(before: Any) -> list[str]:
    return differences(before, snapshot())
