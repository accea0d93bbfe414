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
    require_profile,
    require_requirements,
    require_tolerance,
)
from harness.cli.output import clean_stdout, write_report


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
    profile: Annotated[
        str, typer.Option("--profile", metavar="P", help="How thorough: smoke, pr or nightly.")
    ] = "pr",
    seed: Seed = 0,
    strict_domain: StrictDomain = False,
    json: AsJson = False,
    trust_remote_code: TrustRemoteCode = False,
    config_module: ConfigModules = None,
) -> int:
    """Judge an existing export against the PyTorch model."""
    with clean_stdout() as stdout:
        load_descriptions(config_module)
        require_requirements(requirement)
        require_profile(profile)
        require_tolerance(atol)
        from harness import judge

        report = judge.check(
            file_or_folder,
            model,
            task,
            opset=opset,
            atol=atol,
            requirements=requirement,
            profile=profile,
            seed=seed,
            strict_domain=strict_domain,
            trust_remote_code=trust_remote_code,
        )
        return write_report(report, stdout, as_json=json)
