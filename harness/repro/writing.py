"""Writes the script of a cell. It is run before anyone gets it: either it shows what was asked of
it, or there is none."""

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
from harness.files import write_whole
from harness.judge.cell import Request, prepared, replay_command, why_not_applicable
from harness.records import Outcome, Record
from harness.repro.script import EXPORTS, FILE_ONLY, Case, script_of
from harness.versions import installed_version

if TYPE_CHECKING:
    from harness.judge.ladder import Judgement
    from harness.repro.finding import Fed

SHOWS = 1
SHOWS_NOTHING = 0
_SECONDS = 900
_SAID_LINES = 8
_PACKAGES = ("torch", "transformers", "numpy", "onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True, slots=True)
class Written:
    """What a script shows, and what it printed when it was run."""

    case: Case
    shows: bool
    printed: str


@dataclass(frozen=True, slots=True)
class _Trial:
    """How a script ended; `status` is None where it did not within its time. `complaint` is the
    last line of its stderr."""

    status: int | None
    printed: str = ""
    complaint: str = ""

    def shows(self, case: Case) -> bool:
        """An export that ends the process, or does not end, shows as well as one that raises."""
        is_lost = self.status is None or self.status < 0
        return self.status == SHOWS or (is_lost and case.requirement == "export")


def write_script(request: Request, output: Path, *, part: str | None = None) -> Written:
    """Write the script that shows the first failure of a cell, or where it has none, that
    `agreement` holds. `part` names the file that is to show it.

    Raises UsageError, and writes nothing, where no script that stands alone shows the same.
    """
    _refuse_what_is_not_written(request)
    with prepared(request) as judgement:
        _refuse_patches(judgement, part)
        written = _written(_choice(request, judgement, part))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_whole(output, script_of(written.case))
    except OSError as error:
        raise UsageError(f"{output}: cannot be written ({error.strerror})") from error
    return written


def _refuse_what_is_not_written(request: Request) -> None:
    exporter = request.cell.exporter
    if exporter not in EXPORTS:
        raise UsageError(
            f"exporter {exporter!r} has no script: only the public calls of "
            f"{' and '.join(EXPORTS)} are written; replay shows the cell"
        )
    reason = why_not_applicable(request)
    if reason is not None:
        raise UsageError(f"{request.cell}: nothing to show, {reason}")


def _refuse_patches(judgement: Judgement, part: str | None) -> None:
    parts = judgement.evidence.config.parts
    if part is not None and part not in parts:
        raise UsageError(f"part {part!r} is not one of {judgement.cell}; {suggest(part, parts)}")
    for config in parts.values():
        if type(config).patch_model_for_export is not OnnxConfig.patch_model_for_export:
            raise UsageError(
                f"{judgement.cell}: {type(config).__name__} patches the model for the export, "
                "which no script does without it; replay shows the cell"
            )


@dataclass(frozen=True, slots=True)
class _Choice:
    """What may show a requirement, the most telling first, and whether one of them has to; None
    where nobody has judged it."""

    cases: list[Case]
    fails: bool | None


def _choice(request: Request, judgement: Judgement, part: str | None) -> _Choice:
    parts = judgement.evidence.config.parts
    if list(request.requirements) == ["export"]:  # which may end the process that judges
        case = _case(judgement, "export", ())
        return _Choice([case.of(s, c, {}) for s, c in parts.items() if part in (None, s)], None)
    from harness.repro.finding import feeds_for, worst_record

    record = worst_record(judgement)
    case = _case(judgement, record.requirement, _said(record))
    if record.requirement in FILE_ONLY:
        wanted = part or record.part
        cases = [case.of(s, c, {}) for s, c in parts.items() if wanted in (None, s)]
    else:
        first: dict[str, Fed] = {}
        for fed in feeds_for(judgement, record):
            first.setdefault(fed.part, fed)
        chosen = (fed for fed in first.values() if part in (None, fed.part))
        cases = [case.of(fed.part, parts[fed.part], fed.feed) for fed in chosen]
    if not cases:
        raise UsageError(
            f"{judgement.cell}: {record.requirement} is about the files themselves, which no "
            "script shows; replay does"
        )
    return _Choice(cases, record.outcome is Outcome.FAILED)


def _case(judgement: Judgement, requirement: str, said: tuple[str, ...]) -> Case:
    cell, config = judgement.cell, judgement.evidence.config
    fixture = read_tiny(cell.architecture, cell.variant)
    return Case(
        cell=cell,
        requirement=requirement,
        part="",
        config=config,
        model_class=TasksManager.get_model_class_for_task(cell.task).__name__,
        settings=tiny_settings(cell.architecture, cell.task, cell.variant),
        perturbation=fixture["perturbation"],
        feed={},
        versions={name: installed_version(name) or "unknown" for name in _PACKAGES},
        said=said,
    )


def _said(record: Record) -> tuple[str, ...]:
    if record.outcome is Outcome.PASSED:
        return ("It holds.",)
    return ("\n".join(record.message.splitlines()[:_SAID_LINES]),)


def _written(choice: _Choice) -> Written:
    """The first case whose script shows what it should; raises UsageError where there is none."""
    tried: list[tuple[Case, _Trial]] = []
    for case in choice.cases:
        trial = _tried(script_of(case))
        tried.append((case, trial))
        if trial.shows(case) or choice.fails is False:
            break
    shown = trial.shows(case)
    if not shown:
        case, trial = tried[0]
    is_told = shown or trial.status == SHOWS_NOTHING
    if is_told and choice.fails in (None, shown):
        return Written(case, shown, trial.printed)
    command = replay_command(case.cell, case.requirement, None)
    what = trial.complaint or "it ends early"
    if is_told:
        what = "a defect shows" if shown else "no defect shows"
    raise UsageError(
        f"{case.cell}: no script that stands alone says of {case.requirement} what the harness "
        f"does ({what}); use {command}"
    )


def _tried(script: str) -> _Trial:
    """Run a script where it finds no harness."""
    with tempfile.TemporaryDirectory(prefix="onnx-conformance-") as folder:
        path = Path(folder, "repro.py")
        path.write_text(script, encoding="utf-8")
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-W", "ignore", str(path)],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return _Trial(None, f"the export has not ended within {_SECONDS} s\n")
    printed, errors = (s.decode("utf-8", "replace") for s in (done.stdout, done.stderr))
    complaints = [line for line in errors.splitlines() if line.strip()]
    return _Trial(done.returncode, printed, (complaints or [""])[-1])
