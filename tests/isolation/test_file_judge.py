"""Files are judged in a child; what it found is kept, however it ends.

The children here are scripts that send what a judge would send, without torch.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.isolation import file_judge
from harness.isolation.file_judge import (
    InterruptedJudgingError,
    JudgeProcessError,
    judge_files,
)
from harness.isolation.file_request import FileRequest
from harness.isolation.limits import Limits
from harness.judge.observer import Progress
from harness.records import CellReport, LeftOutFile, Outcome, Scope

MIB = 1 << 20
REQUEST = FileRequest(place="out", model="m", task="fill-mask", memory=0)
LONG = Limits(seconds=60)
SCOPE = Scope(
    folder="out",
    judged=("model.onnx",),
    left_out=(LeftOutFile(file="model_q4.onnx", reason="a variant"),),
    not_asked=("cache",),
    is_selection=True,
    dtype="float32",
    notes=("a note",),
)
CHILD = """
import os, signal, socket, sys, time
from harness.isolation.file_request import FileRequest, Last, SendingObserver
from harness.isolation.limits import limit_allocations
from harness.judge.observer import Progress
from harness.records import CellId, LeftOutFile, Outcome, Record, Scope

channel = socket.socket(fileno=int(sys.argv[2]))
parent = int(sys.argv[3])
journals = FileRequest.load(sys.argv[1]).journals
sender = SendingObserver(lambda line: channel.sendall(line.encode() + b"\\n"), journals)
cell = CellId.parse("bert/fill-mask/opset18/file")

def plan():
    sender.progress(Progress(stage="loading the model"))
    sender.plan(cell, ["agreement", "export", "checker"])
    sender.scope({scope!r})

def record(name, message=""):
    sender.record(Record(cell=cell, requirement=name, outcome=Outcome.PASSED, message=message))

"""


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., CellReport]:
    """Return a function that judges by a script: its lines, limits -> report."""

    def run(script: str, limits: Limits = LONG, seen: list[Progress] | None = None) -> CellReport:
        (tmp_path / "scripted_judge.py").write_text(CHILD.format(scope=SCOPE) + script)
        shown = [] if seen is None else seen
        return judge_files(REQUEST, limits, on_progress=shown.append, on_tick=lambda: None)

    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(file_judge, "MODULE", "scripted_judge")
    return run


def outcomes(report: CellReport) -> dict[str, Outcome]:
    return {record.requirement: record.outcome for record in report.records}


def test_records_scope_and_progress_arrive(judge: Callable[..., CellReport]) -> None:
    seen: list[Progress] = []
    script = (
        "print('noise')\nplan()\n"
        "for name in ('export', 'checker', 'agreement'): record(name, 'a\\nb')\n"
        "sender.end(Last())"
    )
    report = judge(script, seen=seen)
    assert list(outcomes(report)) == ["export", "checker", "agreement"], "in ladder order"
    assert report.conforms
    assert report.record("checker").message == "a\nb"
    assert report.scope == SCOPE
    assert seen == [Progress(stage="loading the model")]


def test_bad_input_is_a_usage_error(judge: Callable[..., CellReport]) -> None:
    with pytest.raises(UsageError, match="no config"):
        judge("sender.end(Last(refused='no config'))")


def test_a_defect_carries_the_traceback_of_the_child(judge: Callable[..., CellReport]) -> None:
    with pytest.raises(JudgeProcessError, match="KeyError: 3") as raised:
        judge("plan()\nsender.end(Last(raised='KeyError: 3', traceback='in line 7'))")
    assert raised.value.__notes__ == ["in line 7"]


@pytest.mark.parametrize(
    ("end", "limits", "outcome", "part"),
    [
        ("time.sleep(60)", Limits(seconds=2), Outcome.TIMED_OUT, "no verdict within 2 s"),
        ("os._exit(3)", LONG, Outcome.CRASHED, "exit status 3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", LONG, Outcome.CRASHED, "SIGKILL"),
        (
            f"kept = b'x' * {400 * MIB}; time.sleep(60)",
            Limits(seconds=60, memory=300 * MIB),
            Outcome.CRASHED,
            "above the limit of 300 MiB",
        ),
    ],
)
def test_what_was_found_before_the_child_ended_is_kept(
    end: str, limits: Limits, outcome: Outcome, part: str, judge: Callable[..., CellReport]
) -> None:
    report = judge(f"plan()\nrecord('export')\n{end}", limits)
    assert outcomes(report) == {
        "export": Outcome.PASSED,
        "checker": outcome,
        "agreement": Outcome.SKIPPED,
    }
    assert part in report.record("checker").message
    assert report.scope == SCOPE
    assert not report.conforms


@pytest.fixture
def heeds_interrupts() -> Iterator[None]:
    """Undo that shells let their background jobs ignore interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_interrupts")
def test_an_interrupt_keeps_what_was_found(judge: Callable[..., CellReport]) -> None:
    script = (
        "plan()\nrecord('export')\nsender.progress(Progress(stage='checker'))\ntime.sleep(0.5)\n"
        "os.kill(parent, signal.SIGINT)\ntime.sleep(60)"
    )
    with pytest.raises(InterruptedJudgingError) as stopped:
        judge(script)
    report = stopped.value.report
    assert outcomes(report) == {
        "export": Outcome.PASSED,
        "checker": Outcome.NOT_RUN,
        "agreement": Outcome.NOT_RUN,
    }
    assert "interrupted during checker" in report.record("checker").message


@pytest.mark.usefixtures("heeds_interrupts")
def test_an_interrupt_before_the_plan_has_nothing_to_keep(
    judge: Callable[..., CellReport],
) -> None:
    with pytest.raises(KeyboardInterrupt):
        judge("os.kill(parent, signal.SIGINT)\ntime.sleep(60)")


def test_limits_that_end_before_the_model_is_loaded_are_named(
    judge: Callable[..., CellReport],
) -> None:
    with pytest.raises(UsageError, match=r"loading the model: got no verdict .* --cell-timeout"):
        judge(
            "sender.progress(Progress(stage='loading the model'))\ntime.sleep(60)",
            Limits(seconds=2),
        )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits private memory")
def test_an_allocation_beyond_the_limit_raises_and_the_child_goes_on(
    judge: Callable[..., CellReport],
) -> None:
    script = (
        f"plan()\nlimit_allocations({300 * MIB})\n"
        f"try:\n    kept = b'x' * {400 * MIB}\n"
        "except MemoryError:\n"
        "    for name in ('export', 'checker', 'agreement'): record(name)\n"
        "    sender.end(Last())\n"
    )
    assert judge(script, Limits(seconds=60, memory=350 * MIB)).conforms


@pytest.mark.skipif(sys.platform != "linux", reason="the allocator of glibc")
def test_freed_memory_is_given_back_where_small_blocks_stay_between(
    judge: Callable[..., CellReport],
) -> None:
    """Such as the weights of a session, with what other code has allocated between them."""
    script = """
import ctypes, psutil

libc = ctypes.CDLL(None)
libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
before = psutil.Process().memory_info().data
for _ in range(3):
    blocks = [(libc.malloc(8 << 20), libc.malloc(5000))[0] for _ in range(40)]
    for block in blocks:
        libc.free(block)
plan()
record('export', str(psutil.Process().memory_info().data - before))
record('checker')
record('agreement')
sender.end(Last())
"""
    assert int(judge(script).record("export").message) < 8 * MIB
