"""Judge ONNX files: `check` takes files of any exporter, `export_and_check` exports them first."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.configs.atol import given_atol
from harness.configs.plugins import loaded_config_modules
from harness.configs.tasks import TasksManager
from harness.errors import UsageError
from harness.exporters import get_exporter, require_honoured_opset, resolve_auto
from harness.judge.model_files import find_parts, name_merged_decoders, require_onnx_files
from harness.judge.observer import Observer, Progress
from harness.judge.own_positions import description_of_files
from harness.judge.profiles import PROFILES, Profile, get_profile
from harness.judge.scope import scope_of
from harness.records import CellId, CellReport, Record, Scope

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.atol import Atol
    from harness.configs.base import OnnxConfig
    from harness.evidence.evidence import Source
    from harness.judge.ladder import PreparedCell


def check(
    onnx_path: Path | str,
    model: nn.Module | Path | str,
    task: str,
    opset: int | None = None,
    config: OnnxConfig | None = None,
    requirements: Sequence[str] | None = None,
    atol: Atol | None = None,
    seed: int = 0,
    profile: Profile | str = "pr",
    *,
    strict_domain: bool = False,
    trust_remote_code: bool = False,
    observer: Observer | None = None,
) -> CellReport:
    """Judge a file, or a folder of parts, made by any exporter.

    `model` is a loaded model, a model folder or a hub id. If `opset` is None, the opset that the
    file declares is accepted. If `config` is None, the registered description of the model is
    used. `atol` is absolute, in units of the outputs: a number, or a mapping task -> number; if
    None, it is measured for each output: 10 x eager's own rounding, at least 1e-5. With
    `strict_domain`, a requirement that did not reach every landmark of the model's domain is
    inconclusive; else it passes, and its record says how far it went. `observer` is called with the
    plan, the progress and each record as soon as they are known.

    Raises UsageError if a file does not parse as an ONNX model, or a name is unknown. Every file
    that parses gets a verdict.
    """
    from harness.evidence.evidence import Source
    from harness.evidence.file_notes import notes_on_files
    from harness.evidence.onnx_file import default_opset, parse_onnx

    path = Path(onnx_path)
    require_onnx_files(path)
    observed = observer or Observer()
    observed.progress(Progress(stage="loading the model"))
    loaded = _load_model(model, task, trust_remote_code=trust_remote_code)
    described = config or _config_for(loaded, task)
    files = find_parts(path, described)
    given = None if atol is None else given_atol(atol, described.task)
    described = description_of_files(loaded, described, files, given or described.atol)
    opset_of_file = (
        default_opset(parse_onnx(next(iter(files.values())))) if opset is None else opset
    )
    words = ["check", str(path), "--model", _model_argument(model), "--task", described.task]
    words += ["--opset", str(opset)] if opset is not None else []
    words += ["--atol", repr(given)] if given is not None else []
    words += ["--trust-remote-code"] if trust_remote_code else []
    return _make_report(
        _cell_id(loaded, described, exporter="file", opset=opset_of_file or 0),
        model=loaded,
        config=described,
        source=Source(opset=opset, files=files, unsupported=name_merged_decoders(path)),
        place=path,
        requirements=requirements,
        atol=atol,
        seed=seed,
        profile=profile,
        strict_domain=strict_domain,
        observer=observed,
        replay=words,
        notes=(*_notes_on(model), *notes_on_files(files)),
    )


def export_and_check(
    model: Path | str,
    task: str,
    output: Path,
    *,
    opset: int | None = None,
    exporter: str = "auto",
    seed: int = 0,
    profile: Profile | str = "pr",
    strict_domain: bool = False,
    trust_remote_code: bool = False,
    observer: Observer | None = None,
) -> CellReport:
    """Export a model folder or hub id into the folder `output`, then judge the written files.

    Raises UsageError for an unknown exporter, task or model, for an opset that no exporter honours,
    or if `output` is not a folder.
    """
    from harness.evidence.evidence import Source

    if output.suffix == ".onnx" or (output.exists() and not output.is_dir()):
        raise UsageError(f"output {output} is not a folder; give a folder for model.onnx")
    if exporter != "auto":
        get_exporter(exporter)
    if opset is not None:
        require_honoured_opset(opset)
    observed = observer or Observer()
    observed.progress(Progress(stage="loading the model"))
    loaded = _load_model(model, task, trust_remote_code=trust_remote_code)
    config = _config_for(loaded, task)
    target_opset = config.DEFAULT_ONNX_OPSET if opset is None else opset
    chosen = get_exporter(resolve_auto(target_opset) if exporter == "auto" else exporter)
    words = ["--model", str(model), "--task", config.task, "--opset", str(target_opset)]
    words += ["--trust-remote-code"] if trust_remote_code else []
    return _make_report(
        _cell_id(loaded, config, exporter=chosen.name, opset=target_opset),
        model=loaded,
        config=config,
        source=Source(exporter=chosen, opset=target_opset, directory=output),
        place=output,
        requirements=None,
        atol=None,
        seed=seed,
        profile=profile,
        strict_domain=strict_domain,
        observer=observed,
        replay=["check", str(output), *words],
        replay_without_example=["export", *words, "--exporter", chosen.name, str(output)],
        notes=_notes_on(model),
    )


def _make_report(
    cell: CellId,
    *,
    model: nn.Module,
    config: OnnxConfig,
    source: Source,
    place: Path,
    requirements: Sequence[str] | None,
    atol: Atol | None,
    seed: int,
    profile: Profile | str,
    strict_domain: bool,
    observer: Observer,
    replay: Sequence[str],
    notes: Sequence[str],
    replay_without_example: Sequence[str] | None = None,
) -> CellReport:
    """Run the requirements on the files at `place`, and return their records with their scope.

    `replay` holds the first words of the command that judges the files again. If
    `replay_without_example` is given, it is the command for failures that no example shows: the
    files may be missing, or are judged more strictly than files of other exporters. `notes` say
    what the verdict does not cover. Raises UsageError if `atol` is negative, not finite or has no
    entry for the task.
    """
    from harness.evidence.evidence import Evidence
    from harness.evidence.sides import Example
    from harness.judge.domain import Domain
    from harness.judge.ladder import PreparedCell
    from harness.judge.measured_tolerance import choose_tolerance
    from harness.judge.regressions import examples_for_cell

    chosen = get_profile(profile)
    planned = chosen.plan(requirements)
    domain = Domain.of(model, config)
    examples = examples_for_cell(
        cell,
        config.axis_space,
        count=chosen.max_examples,
        seed=seed,
        is_affordable=domain.allows,
    )

    def replay_command(requirement: str, example: Example | None) -> str:
        """Return the command that repeats the whole check: seed and profile fix its examples."""
        modules = [word for m in loaded_config_modules() for word in ("--config-module", m)]
        if example is None and replay_without_example is not None:
            return shlex.join(["python", "-m", "harness", *replay_without_example, *modules])
        words = ["python", "-m", "harness", *replay, "--requirement", requirement]
        words += ["--seed", str(seed), "--profile", chosen.name]
        if (usual := PROFILES.get(chosen.name)) and usual.max_examples != chosen.max_examples:
            words += ["--max-examples", str(chosen.max_examples)]
        return shlex.join([*words, *modules])

    evidence = Evidence(model=model, config=config, source=source)
    prepared = PreparedCell(
        cell=cell,
        evidence=evidence,
        requirements=planned,
        examples=examples,
        domain=domain,
        tolerance_of=choose_tolerance(atol, examples, task=config.task),
        replay=replay_command,
        strict_domain=strict_domain,
        observer=observer,
    )
    scope = functools.partial(
        scope_of,
        evidence,
        place,
        planned=planned,
        is_selection=requirements is not None,
        notes=notes,
    )
    return _observed_report(prepared, scope)


def _observed_report(prepared: PreparedCell, scope: Callable[[], Scope]) -> CellReport:
    """Run the requirements. The observer gets the plan first, then each record; and the scope, also
    after the first record, since an export writes its files then."""
    from harness.evidence.session import single_thread
    from harness.judge.ladder import run_requirements

    observer, records = prepared.observer, list[Record]()
    observer.plan(prepared.cell, prepared.requirements)
    observer.scope(scope())
    with single_thread():
        for record in run_requirements(prepared):
            records.append(record)
            observer.record(record)
            if len(records) == 1:
                observer.scope(scope())
    return CellReport(prepared.cell, tuple(records), scope())


def _load_model(model: Any, task: str, *, trust_remote_code: bool) -> Any:
    from harness.evidence.models import load_model

    if isinstance(model, (str, Path)):
        return load_model(task, model, trust_remote_code=trust_remote_code)
    return model


def _notes_on(model: nn.Module | Path | str) -> tuple[str, ...]:
    from harness.evidence.model_notes import notes_on_model

    return notes_on_model(model) if isinstance(model, (str, Path)) else ()


def _config_for(model: Any, task: str) -> OnnxConfig:
    return TasksManager.get_exporter_config_constructor("onnx", model, task=task)(model.config)


def _cell_id(model: Any, config: OnnxConfig, *, exporter: str, opset: int) -> CellId:
    return CellId(
        architecture=model.config.model_type, task=config.task, opset=opset, exporter=exporter
    )


def _model_argument(model: nn.Module | Path | str) -> str:
    return str(model) if isinstance(model, (str, Path)) else "MODEL_FOLDER"
