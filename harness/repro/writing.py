"""Write the script of a cell.

Each script is run first, without the harness. It is written only if it gives the same result.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.configs.base import OnnxConfig
from harness.configs.tasks import TasksManager
from harness.errors import UsageError, suggest
from harness.evidence.models import read_tiny, tiny_settings
from harness.files import write_atomically
from harness.judge.cell import CellRequest, prepare_cell, replay_command, why_not_applicable
from harness.records import Outcome, Record
from harness.repro.script import EXPORTS, FILE_ONLY, ScriptCase, script_text
from harness.versions import installed_version

if TYPE_CHECKING:
    from harness.judge.ladder import PreparedCell
    from harness.repro.finding import PartFeed

DEFECT = 1
"""Exit status of a script that reproduces a defect."""

NO_DEFECT = 0
"""Exit status of a script that finds no defect."""

_TIMEOUT_SECONDS = 900
_NOTE_LINES = 8
_PACKAGES = ("torch", "transformers", "numpy", "onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True, slots=True)
class WrittenScript:
    """Content of a script, whether it shows a defect, and its output when it was run."""

    case: ScriptCase
    shows: bool
    printed: str


@dataclass(frozen=True, slots=True)
class _ScriptRun:
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


def write_script(request: CellRequest, output: Path, *, part: str | None = None) -> WrittenScript:
    """Write the script that shows the first failure of a cell, or that `agreement` holds.

    `part` selects the file that the script exports. Raises UsageError, and writes nothing, if no
    standalone script gives the same result as the harness.
    """
    _refuse_unsupported_cell(request)
    with prepare_cell(request) as prepared:
        _refuse_unsupported_parts(prepared, part)
        written = _first_matching_script(_script_cases(request, prepared, part))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(output, script_text(written.case))
    except OSError as error:
        raise UsageError(f"{output}: cannot be written ({error.strerror})") from error
    return written


def _refuse_unsupported_cell(request: CellRequest) -> None:
    exporter = request.cell.exporter
    if exporter not in EXPORTS:
        raise UsageError(
            f"exporter {exporter!r} has no script: scripts can only call "
            f"{' and '.join(EXPORTS)}; use replay to show the cell"
        )
    reason = why_not_applicable(request)
    if reason is not None:
        raise UsageError(f"{request.cell}: no script is written: {reason}")


def _refuse_unsupported_parts(prepared: PreparedCell, part: str | None) -> None:
    parts = prepared.evidence.config.parts
    if part is not None and part not in parts:
        raise UsageError(
            f"part {part!r} is not one of the parts of {prepared.cell}; {suggest(part, parts)}"
        )
    for config in parts.values():
        if type(config).patch_model_for_export is not OnnxConfig.patch_model_for_export:
            raise UsageError(
                f"{prepared.cell}: {type(config).__name__} patches the model for the export, "
                "which a script cannot do; use replay to show the cell"
            )


@dataclass(frozen=True, slots=True)
class _ScriptCases:
    """Cases that may show a requirement, largest error first.

    `is_failing` says whether the requirement failed; None if it was not judged.
    """

    cases: list[ScriptCase]
    is_failing: bool | None


def _script_cases(request: CellRequest, prepared: PreparedCell, part: str | None) -> _ScriptCases:
    parts = prepared.evidence.config.parts
    if list(request.requirements) == ["export"]:  # not judged here: the export may crash
        case = _case(prepared, "export", ())
        cases = [case.for_part(s, c, {}) for s, c in parts.items() if part in (None, s)]
        return _ScriptCases(cases, None)
    from harness.repro.finding import feeds_for, record_to_show

    record = record_to_show(prepared)
    case = _case(prepared, record.requirement, _notes(record))
    if record.requirement in FILE_ONLY:
        wanted = part or record.part
        cases = [case.for_part(s, c, {}) for s, c in parts.items() if wanted in (None, s)]
    else:
        worst: dict[str, PartFeed] = {}
        for one in feeds_for(prepared, record):
            worst.setdefault(one.part, one)
        chosen = (one for one in worst.values() if part in (None, one.part))
        cases = [case.for_part(one.part, parts[one.part], one.feed) for one in chosen]
    if not cases:
        raise UsageError(
            f"{prepared.cell}: {record.requirement} is about the files themselves, which no "
            "script shows; use replay to show the cell"
        )
    return _ScriptCases(cases, record.outcome is Outcome.FAILED)


def _case(prepared: PreparedCell, requirement: str, notes: tuple[str, ...]) -> ScriptCase:
    cell, config = prepared.cell, prepared.evidence.config
    fixture = read_tiny(cell.architecture, cell.variant)
    return ScriptCase(
        cell=cell,
        requirement=requirement,
        part="",
        config=config,
        model_class=TasksManager.get_model_class_for_task(cell.task).__name__,
        settings=tiny_settings(cell.architecture, cell.task, cell.variant),
        perturbation=fixture["perturbation"],
        feed={},
        versions={name: installed_version(name) or "unknown" for name in _PACKAGES},
        notes=notes,
    )


def _notes(record: Record) -> tuple[str, ...]:
    if record.outcome is Outcome.PASSED:
        return ("The requirement holds.",)
    return ("\n".join(record.message.splitlines()[:_NOTE_LINES]),)


def _first_matching_script(candidates: _ScriptCases) -> WrittenScript:
    """Return the first case whose script gives the same result as the harness.

    Raises UsageError if no script does.
    """
    runs: list[tuple[ScriptCase, _ScriptRun]] = []
    for case in candidates.cases:
        run = _run_script(script_text(case))
        runs.append((case, run))
        if run.shows(case) or candidates.is_failing is False:
            break
    shows = run.shows(case)
    if not shows:
        case, run = runs[0]
    has_result = shows or run.status == NO_DEFECT
    if has_result and candidates.is_failing in (None, shows):
        return WrittenScript(case, shows, run.printed)
    command = replay_command(case.cell, case.requirement, None)
    reason = run.last_error or "the script ended early"
    if has_result:
        reason = "the script reproduces a defect" if shows else "the script finds no defect"
    raise UsageError(
        f"{case.cell}: no standalone script gives the result of the harness for "
        f"{case.requirement} ({reason}); use {command}"
    )


def _run_script(script: str) -> _ScriptRun:
    """Run a script in a folder and with an import path that have no harness."""
    with tempfile.TemporaryDirectory(prefix="onnx-conformance-") as folder:
        path = Path(folder, "repro.py")
        path.write_text(script, encoding="utf-8")
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-W", "ignore", str(path)],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return _ScriptRun(None, f"the export did not end within {_TIMEOUT_SECONDS} s\n")
    printed, errors = (s.decode("utf-8", "replace") for s in (done.stdout, done.stderr))
    error_lines = [line for line in errors.splitlines() if line.strip()]
    return _ScriptRun(done.returncode, printed, (error_lines or [""])[-1])
