"""Judge ONNX files: `check` takes files of any exporter, `export_and_check` exports them first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.configs.atol import given_atol
from harness.configs.tasks import TasksManager
from harness.errors import UsageError
from harness.exporters import get_exporter, require_honoured_opset, resolve_auto
from harness.judge.file_report import FileOptions, Replay, report_on_files
from harness.judge.folder import find_variants, variant_named
from harness.judge.model_files import find_parts, name_unusable_merged, require_onnx_files
from harness.judge.observer import Observer, Progress
from harness.judge.own_positions import description_of_files
from harness.judge.profiles import Profile
from harness.records import CellId, CellReport

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.atol import Atol
    from harness.configs.base import OnnxConfig


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
    allow_domains: Sequence[str] = (),
    strict_domain: bool = False,
    budget: float | None = None,
    min_top1: float | None = None,
    memory: int | None = None,
    trust_remote_code: bool = False,
    observer: Observer | None = None,
) -> CellReport:
    """Judge a file, or a folder of parts, made by any exporter.

    `model` is a loaded model, a model folder or a hub id. If `opset` is None, the opset that the
    file declares is accepted. If `config` is None, the registered description of the model is
    used. Operators of `allow_domains` may be used beside standard ones. `atol` is absolute, in
    units of the outputs: a number, or a mapping task -> number; if None, it is measured for each
    output: 10 x eager's own rounding, at least 1e-5. With `strict_domain`, a requirement that did
    not reach every landmark of the model's domain is inconclusive; else it passes, and its record
    says how far it went. `budget` is the time for examples in seconds, by default scaled to the
    model; `memory` is what this process may use in bytes, by default the free memory. `min_top1` is
    the least share of the original model's choices that a quantised or half-precision file must
    make; if None, the share is not judged. `observer` is called with the plan, the progress and
    each record as soon as they are known.

    Raises UsageError if a file does not parse as an ONNX model, or a name is unknown. Every file
    that parses gets a verdict.
    """
    options = FileOptions(
        requirements=requirements,
        atol=atol,
        seed=seed,
        profile=profile,
        strict_domain=strict_domain,
        budget=budget,
        min_top1=min_top1,
        memory=memory,
        observer=observer or Observer(),
    )
    return check_files(
        Path(onnx_path),
        model,
        task,
        opset=opset,
        config=config,
        allow_domains=allow_domains,
        trust_remote_code=trust_remote_code,
        options=options,
    )


def check_files(
    path: Path,
    model: nn.Module | Path | str,
    task: str,
    *,
    variant: str | None = None,
    opset: int | None = None,
    config: OnnxConfig | None = None,
    allow_domains: Sequence[str] = (),
    trust_remote_code: bool = False,
    options: FileOptions,
) -> CellReport:
    """Judge a file, a folder of parts or a `variant` of a folder; the arguments and errors of
    `check`.
    """
    from harness.evidence.cell_files import Source
    from harness.evidence.file_notes import notes_on_files
    from harness.evidence.onnx_file import default_opset, parse_onnx

    require_onnx_files(path)
    options.observer.progress(Progress(stage="loading the model"))
    loaded = _load_model(model, task, trust_remote_code=trust_remote_code)
    described = config or _config_for(loaded, task)
    files = _files_of(path, described, variant)
    given = None if options.atol is None else given_atol(options.atol, described.task)
    described = description_of_files(loaded, described, files, given or described.atol)
    opset_of_file = (
        default_opset(parse_onnx(next(iter(files.values())))) if opset is None else opset
    )
    unusable = name_unusable_merged(path, files.values())
    words = ["check", str(path), "--model", _model_argument(model), "--task", described.task]
    words += ["--variant", variant] if variant is not None else []
    words += ["--opset", str(opset)] if opset is not None else []
    words += ["--atol", repr(given)] if given is not None else []
    words += [word for domain in allow_domains for word in ("--allow-domain", domain)]
    words += ["--trust-remote-code"] if trust_remote_code else []
    return report_on_files(
        _cell_id(loaded, described, exporter="file", opset=opset_of_file or 0),
        model=loaded,
        config=described,
        source=Source(
            opset=opset, files=files, unsupported=unusable, allowed_domains=allow_domains
        ),
        place=path,
        replay=Replay(check=words),
        notes=(*_notes_on(model), *notes_on_files(files)),
        options=options,
    )


def export_and_check(
    model: Path | str,
    task: str,
    output: Path,
    *,
    opset: int | None = None,
    exporter: str = "auto",
    trust_remote_code: bool = False,
    options: FileOptions,
) -> CellReport:
    """Export a model folder or hub id into the folder `output`, then judge the written files.

    Raises UsageError for an unknown exporter, task or model, for an opset that no exporter honours,
    or if `output` is not a folder.
    """
    from harness.evidence.cell_files import Source

    if output.suffix == ".onnx" or (output.exists() and not output.is_dir()):
        raise UsageError(f"output {output} is not a folder; give a folder for model.onnx")
    if exporter != "auto":
        get_exporter(exporter)
    if opset is not None:
        require_honoured_opset(opset)
    options.observer.progress(Progress(stage="loading the model"))
    loaded = _load_model(model, task, trust_remote_code=trust_remote_code)
    config = _config_for(loaded, task)
    target_opset = config.DEFAULT_ONNX_OPSET if opset is None else opset
    chosen = get_exporter(resolve_auto(target_opset) if exporter == "auto" else exporter)
    words = ["--model", str(model), "--task", config.task, "--opset", str(target_opset)]
    words += ["--trust-remote-code"] if trust_remote_code else []
    return report_on_files(
        _cell_id(loaded, config, exporter=chosen.name, opset=target_opset),
        model=loaded,
        config=config,
        source=Source(exporter=chosen, opset=target_opset, directory=output),
        place=output,
        replay=Replay(
            check=["check", str(output), *words],
            without_example=["export", *words, "--exporter", chosen.name, str(output)],
        ),
        notes=_notes_on(model),
        options=options,
    )


def _files_of(path: Path, config: OnnxConfig, variant: str | None) -> OrderedDict[str, Path]:
    """Return part -> file; raises UsageError if there is no such variant."""
    if variant is None:
        return find_parts(path, config)
    return OrderedDict(variant_named(find_variants(path, config), variant).files)


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
