"""From an item to `judge_cell` it is at most six calls, counted on the stacks of both processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pytest_runs import CELL, SMALL, RunPytest

MOST = 6
PROBE = """
import json, os, socket, sys
from pathlib import Path

import pytest

import harness.judge
from harness.isolation.process_tree import MARK

FOLDER = Path(harness.__file__).parent
judged = harness.judge.judge_cell

def record(name, frame):
    "Write the functions of the harness that are running in this thread, the outermost first."
    found = []
    while frame is not None:
        is_hop = frame.f_code.co_name != "<module>"  # the start of a process
        if is_hop and FOLDER in Path(frame.f_code.co_filename).parents:
            found.insert(0, frame.f_code.co_qualname)
        frame = frame.f_back
    Path(os.environ["STUB_FOLDER"], name).write_text(json.dumps(found))

def judge_cell(*arguments, **options):
    record("judge.json", sys._getframe())
    return judged(*arguments, **options)

def on_call(frame, event, function):
    is_sending = event == "c_call" and function.__name__.startswith("send")
    if is_sending and isinstance(function.__self__, socket.socket):
        record("item.json", frame)

@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    sys.setprofile(on_call)
    try:
        return (yield)
    finally:
        sys.setprofile(None)

if MARK in os.environ:
    harness.judge.judge_cell = judge_cell
"""
WRAPPER = """
from harness.isolation import supervisor

source = '''
def wrapped(self, job):
    return run_cell(self, job)
'''
names = {"run_cell": supervisor.Supervisor.run_cell}
exec(compile(source, supervisor.__file__, "exec"), names)
supervisor.Supervisor.run_cell = names["wrapped"]
"""


def calls(run_pytest: RunPytest, *arguments: str, wrapper: str = "") -> tuple[list[str], list[str]]:
    """Judge a cell; return the calls until the request is sent, and from there to `judge_cell`."""
    (run_pytest.project / "hops.py").write_text(PROBE + wrapper)
    probe = ("-n", "0", "-k", CELL, "-p", "hops", "--config-module", "hops")
    result = run_pytest(*SMALL, *probe, *arguments)
    assert result.status == 0, result.output
    item, judge = (
        json.loads((run_pytest.project / f"{name}.json").read_text()) for name in ("item", "judge")
    )
    return item, [*judge, "judge_cell"]


@pytest.mark.gate
@pytest.mark.parametrize("arguments", [(), ("--incremental",)], ids=["plain", "incremental"])
def test_an_item_reaches_judge_cell_in_six_calls(
    run_pytest: RunPytest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.setenv("ONNX_CONFORMANCE_CACHE", str(tmp_path / "cache"))
    item, judge = calls(run_pytest, *arguments)
    assert item[0].endswith("conform")
    assert len(item) + len(judge) <= MOST, (item, judge)


def test_a_wrapper_is_counted(run_pytest: RunPytest) -> None:
    plain, _ = calls(run_pytest)
    item, _ = calls(run_pytest, "--run-dir=again", wrapper=WRAPPER)
    assert [name for name in item if name not in plain] == ["wrapped"]
    assert len(item) == len(plain) + 1
