"""`check`: judges existing ONNX files, made by any exporter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import (
    AsJson,
    ConfigModules,
    Model,
    Opset,
    Requirements,
    Seed,
    StrictDomain,
    TrustRemoteCode,
    load_descriptions,
    require_described,
    require_profile,
    require_steps_or_requirements,
    require_tolerance,
)
from harness.cli.folder_check import judge_variants_and_write, require_variant, variants_of
from harness.cli.judging import (
    Budget,
    CellMemory,
    CellTimeout,
    MaxExamples,
    Quiet,
    judge_and_write,
    make_limits,
    parse_budget,
)
from harness.cli.output import clean_stdout
from harness.isolation.file_request import FileRequest
from harness.judge.model_files import require_onnx_files


def check(
    file_or_folder: Annotated[
        Path,
        typer.Argument(
            metavar="FILE_OR_FOLDER", help="An ONNX file, or a folder with the files of all parts."
        ),
    ],
    *,
    model: Model,
    task: Annotated[
        str, typer.Option("--task", metavar="T", help="Task of the model, such as fill-mask.")
    ],
    opset: Opset = None,
    atol: Annotated[
        float | None,
        typer.Option(
            "--atol", metavar="A", help="Absolute tolerance; default: measured for each output."
        ),
    ] = None,
    requirement: Requirements = None,
    allow_domain: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-domain",
            metavar="DOMAIN",
            help="A domain whose operators the file may use, such as com.microsoft; may be given "
            "several times.",
        ),
    ] = None,
    profile: Annotated[
        str, typer.Option("--profile", metavar="P", help="How thorough: smoke, pr or nightly.")
    ] = "pr",
    seed: Seed = 0,
    variant: Annotated[
        str | None,
        typer.Option(
            "--variant",
            metavar="V",
            help="Judge only this variant of a folder: plain, merged, or a suffix such as fp16.",
        ),
    ] = None,
    max_examples: MaxExamples = None,
    budget: Budget = None,
    cell_timeout: CellTimeout = None,
    cell_memory: CellMemory = None,
    min_top1: Annotated[
        float | None,
        typer.Option(
            "--min-top1",
            metavar="SHARE",
            min=0,
            max=1,
            help="Least share of the model's choices that a quantised or half-precision file must "
            "make; default: the share is reported and not judged.",
        ),
    ] = None,
    strict_domain: StrictDomain = False,
    json: AsJson = False,
    quiet: Quiet = False,
    trust_remote_code: TrustRemoteCode = False,
    config_module: ConfigModules = None,
) -> int:
    """Judge an existing export against the PyTorch model.

    In a folder with several variants, such as model.onnx and model_fp16.onnx, each is judged or
    named.
    """
    with clean_stdout() as stdout:
        load_descriptions(config_module)
        require_steps_or_requirements(requirement)
        require_profile(profile)
        require_tolerance(atol)
        require_onnx_files(file_or_folder)
        require_described(model, task)
        limits = make_limits(cell_timeout, cell_memory)
        request = FileRequest(
            place=str(file_or_folder),
            model=model,
            task=task,
            memory=limits.memory,
            variant=variant,
            opset=opset,
            requirements=requirement,
            atol=atol,
            allow_domains=allow_domain or [],
            seed=seed,
            profile=profile,
            max_examples=max_examples,
            budget=parse_budget(budget),
            min_top1=min_top1,
            strict_domain=strict_domain,
            trust_remote_code=trust_remote_code,
            config_modules=config_module or [],
        )
        require_variant(request)
        if variant is None and (variants := variants_of(request)):
            return judge_variants_and_write(
                variants, request, limits, stdout, as_json=json, quiet=quiet
            )
        return judge_and_write(request, limits, stdout, as_json=json, quiet=quiet)
