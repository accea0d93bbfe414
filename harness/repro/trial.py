"""Run scripts before they are written, and choose the first that agrees with the harness."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.judge.cell import replay_command
from harness.repro.script import ScriptCase, script_text

DEFECT = 1
"""Exit status of a script that reproduces a defect."""

NO_DEFECT = 0
"""Exit status of a script that finds no defect."""

TIMEOUT_SECONDS = 900

_ALONE = """
import runpy, sys, traceback
sys.modules["harness"] = None  # it may be installed
try:
    runpy.run_path(sys.argv[1], run_name="__main__")
except Exception:
    traceback.print_exc()
    sys.exit(2)
"""
"""Program that runs a script. A script that raises an exception by itself reproduces nothing."""


@dataclass(frozen=True, slots=True)
class WrittenScript:
    """Content of a script, whether it shows a defect, and its output when it was run."""

    case: ScriptCase
    shows: bool
    printed: str


@dataclass(frozen=True, slots=True)
class ScriptRun:
    """Exit status and output of a script; `status` is None if it timed out.

    `last_error` is the last line of its stderr.
    """

    status: int | None
    printed: str = ""
    last_error: str = ""

    def shows(self, case: ScriptCase) -> bool:
        """Whether the script shows a defect: for `export`, a crash or a time-out is one too."""
        is_lost = self.status is None or self.status < 0
        return self.status == DEFECT or (is_lost and case.requirement == "export")


@dataclass(frozen=True, slots=True)
class ScriptCandidates:
    """Cases to try, the largest difference first.

    `is_failing` says whether the requirement fails in the harness; None if it was not judged.
    """

    cases: Sequence[ScriptCase]
    is_failing: bool | None


def run_script(script: str) -> ScriptRun:
    """Run a script in a folder without the harness, which it cannot import either.

    The status is 2 if the script raises an exception.
    """
    with tempfile.TemporaryDirectory(prefix="onnx-conformance-") as folder:
        path = Path(folder, "repro.py")
        path.write_text(script, encoding="utf-8")
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-W", "ignore", "-c", _ALONE, str(path)],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return ScriptRun(None, f"the export did not end within {TIMEOUT_SECONDS} s\n")
    printed, errors = (s.decode("utf-8", "replace") for s in (done.stdout, done.stderr))
    error_lines = [line for line in errors.splitlines() if line.strip()]
    return ScriptRun(done.returncode, printed, (error_lines or [""])[-1])


def first_matching_script(
    candidates: ScriptCandidates, run: Callable[[str], ScriptRun] = run_script
) -> WrittenScript:
    """Return the first case whose script gives the same result as the harness.

    Raises UsageError if no script does.
    """
    runs: list[tuple[ScriptCase, ScriptRun]] = []
    for case in candidates.cases:
        result = run(script_text(case))
        runs.append((case, result))
        if result.shows(case) or candidates.is_failing is False:
            break
    shows = result.shows(case)
    if not shows:
        case, result = runs[0]
    has_result = shows or result.status == NO_DEFECT
    if has_result and candidates.is_failing in (None, shows):
        return WrittenScript(case, shows, result.printed)
    command = replay_command(case.cell, case.requirement, None)
    reason = result.last_error or "the script ended early"
    if has_result:
        reason = "the script reproduces a defect" if shows else "the script finds no defect"
    raise UsageError(
        f"{case.cell}: no standalone script gives the result of the harness for "
        f"{case.requirement} ({reason}); use {command}"
    )
