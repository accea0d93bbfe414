"""`export`: exports a model to ONNX files, and judges them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import (
    AUTO,
    AsJson,
    ConfigModules,
    Model,
    Opset,
    StrictDomain,
    TrustRemoteCode,
    load_descriptions,
    require_exporter,
    require_folder,
)
from harness.cli.output import clean_stdout, write_report
from harness.cli.task_inference import infer_task


def export(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder for the ONNX files.")],
    *,
    model: Model,
    task: Annotated[
        str | None,
        typer.Option("--task", metavar="T", help="Task; default: inferred from the model's class."),
    ] = None,
    opset: Opset = None,
    exporter: Annotated[
        str, typer.Option("--exporter", metavar="E", help="Exporter; auto chooses by opset.")
    ] = AUTO,
    strict_domain: StrictDomain = False,
    json: AsJson = False,
    trust_remote_code: TrustRemoteCode = False,
    config_module: ConfigModules = None,
) -> int:
    """Export a model to ONNX, then judge the result.

    The output is `model.onnx`, or one file per part.
    """
    with clean_stdout() as stdout:
        load_descriptions(config_module)
        require_folder(output)
        if exporter != AUTO:
            require_exporter(exporter)
        if task is None:
            task = infer_task(model, trust_remote_code=trust_remote_code)
        from harness.judge import export_and_check

        report = export_and_check(
            model,
            task,
            output,
            opset=opset,
            exporter=exporter,
            strict_domain=strict_domain,
            trust_remote_code=trust_remote_code,
        )
        return write_report(report, stdout, as_json=json)
