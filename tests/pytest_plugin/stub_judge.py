"""A plug-in that replaces the judge by rules, so that runs of pytest inside tests take no torch.

`STUB_RULES` holds a JSON list of `{"cell": glob, "requirement": glob, "do": what}`; the first rule
that matches counts, and a pair without one passes. `do` is an outcome, or what may go wrong.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any, NoReturn

import harness.judge
from harness.judge.profiles import Profile
from harness.pytest_plugin.journal import Journal
from harness.records import CellId, CellReport, Outcome, Record

RULES: list[dict[str, str]] = json.loads(os.environ.get("STUB_RULES", "[]"))


def exit_process() -> NoReturn:
    os._exit(3)


def kill_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_controller() -> NoReturn:
    os.kill(os.getppid(), signal.SIGKILL)
    os._exit(3)


def raise_error() -> NoReturn:
    raise RuntimeError("the judge is broken")


def interrupt() -> NoReturn:
    raise KeyboardInterrupt


ACTIONS: dict[str, Callable[[], Any]] = {
    "exit": exit_process,
    "kill": kill_process,
    "kill controller": kill_controller,
    "raise": raise_error,
    "interrupt": interrupt,
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
) -> CellReport:
    records = []
    for requirement in requirements:
        rule = rule_of(cell, requirement)
        if rule in ACTIONS:
            ACTIONS[rule]()
        if rule == "omit":
            continue
        record = make_record(cell, requirement, rule, note=f"{profile.max_examples} {seed}")
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
    """Let no trace of a record whose rule is `lost` reach a journal or a report."""
    append = Journal._append

    def forgetful(self: Journal, text: str) -> None:
        line = json.loads(text)
        is_record = line["type"] == "record"
        if is_record and rule_of(CellId.parse(line["cell"]), line["requirement"]) == "lost":
            return
        append(self, text)

    Journal._append = forgetful  # type: ignore[method-assign]


harness.judge.judge_cell = judge_cell  # type: ignore[assignment]
forget_lost_records()
