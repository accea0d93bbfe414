"""A config module that replaces the judge by rules, so that pytest inside tests needs no torch.

`STUB_RULES` is a JSON list of `{"cell": glob, "requirement": glob, "do": action}`. The first
matching rule applies; a pair without one passes. `do` is an outcome or a key of `ACTIONS`.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NoReturn

import psutil

import harness.judge
from harness.isolation.journal import Journal
from harness.isolation.process_tree import MARK
from harness.judge.profiles import Profile
from harness.judge.shared_work import SharedWork
from harness.records import CellId, CellReport, Outcome, Record

RULES: list[dict[str, str]] = json.loads(os.environ.get("STUB_RULES", "[]"))


def exit_process() -> NoReturn:
    os._exit(3)


def kill_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_worker() -> NoReturn:
    os.kill(os.getppid(), signal.SIGKILL)
    wait_for_ever()


def kill_worker_once() -> None:
    mark = Path(os.environ["STUB_FOLDER"]) / "killed"
    if not mark.exists():
        mark.touch()
        kill_worker()


def kill_controller() -> NoReturn:
    """Kill the parent of the worker, or without workers, the parent of this process."""
    worker = psutil.Process(os.getppid())
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    (worker.parent() or worker if is_worker else worker).kill()
    wait_for_ever()


def interrupt() -> NoReturn:
    os.kill(os.getppid(), signal.SIGINT)
    wait_for_ever()


def raise_error() -> NoReturn:
    raise RuntimeError("the judge is broken")


def exit_interpreter() -> NoReturn:
    sys.exit("enough")


def segfault() -> None:
    ctypes.string_at(0)


def wait_for_ever() -> NoReturn:
    while True:
        threading.Event().wait()


def hang() -> NoReturn:
    while True:
        pass


def hang_in_native_code() -> None:
    mutex = ctypes.create_string_buffer(64)
    libc = ctypes.PyDLL(None)  # PyDLL holds the interpreter lock during the calls
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)


def exhaust_memory() -> NoReturn:
    taken = []
    while True:
        taken.append(b"x" * (16 << 20))


def flood() -> None:
    for _ in range(200):
        os.write(1, b"much ado about nothing\n" * 3000)


def leave_things_behind() -> None:
    Path("left.txt").write_text("left")
    subprocess.Popen(["sleep", "600"])
    subprocess.Popen(["sleep", "600"], start_new_session=True)
    subprocess.run(["sh", "-c", "sleep 600 & exit"], check=True)


def change_state() -> None:
    os.environ["LEFT_BY_A_CELL"] = "1"
    harness.judge.check = raise_error  # type: ignore[assignment]
    sys.setrecursionlimit(5000)


def corrupt_journal() -> None:
    """Append an invalid line to every open journal of this process."""
    for path in {file.path for file in psutil.Process().open_files() if "journals" in file.path}:
        with Path(path).open("ab") as stream:
            stream.write(b'{"type": "rec\xff\xfe\n')


ACTIONS: dict[str, Callable[[], Any]] = {
    "exit": exit_process,
    "kill": kill_process,
    "kill worker": kill_worker,
    "kill worker once": kill_worker_once,
    "kill controller": kill_controller,
    "raise": raise_error,
    "interrupt": interrupt,
    "sys.exit": exit_interpreter,
    "segfault": segfault,
    "hang": hang,
    "hang in native code": hang_in_native_code,
    "exhaust memory": exhaust_memory,
    "flood": flood,
    "leave things behind": leave_things_behind,
    "change state": change_state,
    "corrupt journal": corrupt_journal,
}


def rule_of(cell: CellId, requirement: str) -> str:
    for rule in RULES:
        if fnmatchcase(str(cell), rule["cell"]) and fnmatchcase(requirement, rule["requirement"]):
            return rule["do"]
    return "passed"


def judge_cell(
    cell: CellId,
    *,
    requirements: Sequence[str],
    profile: Profile,
    seed: int,
    on_record: Callable[[Record], None],
    work: SharedWork,
    expected: Collection[str],
) -> CellReport:
    records = []
    for requirement in requirements:
        rule = rule_of(cell, requirement)
        if rule in ACTIONS:
            ACTIONS[rule]()
        if rule == "omit":
            continue
        mark = " expected" if requirement in expected else ""
        note = f"{profile.max_examples} {seed}{mark}"
        record = make_record(cell, requirement, rule, note=note)
        on_record(record)
        records.append(record)
    return CellReport(cell, tuple(records))


def make_record(cell: CellId, requirement: str, rule: str, *, note: str) -> Record:
    unwritable: Any = {"batch_size": object()} if rule == "unwritable" else {}
    outcome = Outcome(rule) if rule in set(Outcome) else Outcome.PASSED
    return Record(
        cell=cell,
        requirement=requirement,
        outcome=outcome,
        message=f"{requirement}: got 1, expected 2 [{cell}]\nsecond line",
        covered=unwritable,
        replay=f"python -m harness replay {cell}",
        blame=note,
    )


def forget_lost_records() -> None:
    """Patch journals to drop records whose rule is `lost`."""
    append = Journal.append

    def forgetful(self: Journal, text: str) -> None:
        line = json.loads(text)
        is_record = line["type"] == "record"
        if is_record and rule_of(CellId.parse(line["cell"]), line["requirement"]) == "lost":
            return
        append(self, text)

    Journal.append = forgetful  # type: ignore[method-assign]


harness.judge.judge_cell = judge_cell  # type: ignore[assignment]
harness.judge.warm_up = lambda: None
if MARK in os.environ:  # in the judge alone
    forget_lost_records()
