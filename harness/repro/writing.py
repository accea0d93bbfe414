"""Write the script of a cell.

Each script is run first, without the harness. It is written only if it gives the same result.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.configs.tasks import TasksManager
from harness.errors import UsageError, suggest
from harness.evidence.models import read_tiny, tiny_settings
from harness.evidence.tolerance import Origin
from harness.files import write_atomically
from harness.judge.cell import CellRequest, prepare_cell, why_not_applicable
from harness.records import Outcome, Record
from harness.repro.changes import change_source
from harness.repro.copies import UncopyableError
from harness.repro.script import EXPORTS, FILE_ONLY, ScriptCase, script_text
from harness.repro.trial import ScriptCandidates, WrittenScript, first_matching_script
from harness.versions import installed_version

if TYPE_CHECKING:
    from harness.configs.base import OnnxConfig
    from harness.judge.prepared_cell import PreparedCell
    from harness.repro.finding import PartFeed

_NOTE_LINES = 8
_PACKAGES = ("torch", "transformers", "numpy", "onnx", "onnxscript", "onnxruntime")


def write_script(request: CellRequest, output: Path, *, part: str | None = None) -> WrittenScript:
    """Write the script that shows the first failure of a cell, or that `agreement` holds.

    `part` selects the file that the script exports. Raises UsageError, and writes nothing, if no
    standalone script gives the same result as the harness.
    """
    _refuse_unsupported_cell(request)
    with prepare_cell(request) as prepared:
        _refuse_unsupported_parts(prepared, part)
        written = first_matching_script(_script_candidates(request, prepared, part))
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
    exporter = prepared.cell.exporter if _is_prepared(prepared) else None
    reasons = {
        stem: reason for stem, one in parts.items() if (reason := _why_uncopyable(one, exporter))
    }
    for stem in reasons.keys() & {part or next(iter(reasons), "")}:
        others = [other for other in parts if other not in reasons]
        hint = f", or --part with one of {', '.join(others)}" if others else ""
        raise UsageError(
            f"{prepared.cell}: no script can contain {reasons[stem]}; use replay to show the "
            f"cell{hint}"
        )


def _why_uncopyable(config: OnnxConfig, exporter: str | None) -> str | None:
    """Return why a script cannot contain what changes the model; None if it can."""
    try:
        change_source(config, exporter)
    except UncopyableError as error:
        return str(error)
    return None


def _is_prepared(prepared: PreparedCell) -> bool:
    """Whether the exporter of a cell changes its copy of the model: attention or positions."""
    from harness.exporters import get_exporter
    from harness.exporters._rotary import remembers_calls
    from harness.exporters.torchscript import FIRST_OPSET_OF_SDPA

    types = getattr(get_exporter(prepared.cell.exporter), "rewritten_rope_types", ())
    return prepared.cell.opset < FIRST_OPSET_OF_SDPA or any(
        remembers_calls(module, types) for module in prepared.evidence.model.modules()
    )


def _script_candidates(
    request: CellRequest, prepared: PreparedCell, part: str | None
) -> ScriptCandidates:
    parts = prepared.evidence.config.parts
    if list(request.requirements) == ["export"]:  # not judged here: the export may crash
        case = _case(prepared, "export", ())
        cases = [case.for_part(s, c, {}) for s, c in parts.items() if part in (None, s)]
        return ScriptCandidates(cases, None)
    from harness.repro.finding import feeds_for, record_to_show

    record = record_to_show(prepared)
    if record.tolerance_origin == Origin.MEASURED:
        prepared.evidence.config.atol = max(record.tolerance.values())
        parts = prepared.evidence.config.parts
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
    return ScriptCandidates(cases, record.outcome is Outcome.FAILED)


def _case(prepared: PreparedCell, requirement: str, notes: tuple[str, ...]) -> ScriptCase:
    cell, config = prepared.cell, prepared.evidence.config
    fixture = read_tiny(cell.architecture, cell.variant)
    return ScriptCase(
        cell=cell,
        requirement=requirement,
        part="",
        config=config,
        model_class=TasksManager.get_model_class_for_task(cell.task, cell.architecture).__name__,
        settings=tiny_settings(cell.architecture, cell.task, cell.variant),
        perturbation=fixture["perturbation"],
        feed={},
        versions={name: installed_version(name) or "unknown" for name in _PACKAGES},
        notes=notes,
        is_prepared=_is_prepared(prepared),
    )


def _notes(record: Record) -> tuple[str, ...]:
    if record.outcome is Outcome.PASSED:
        return ("The requirement holds.",)
    return ("\n".join(record.message.splitlines()[:_NOTE_LINES]),)
