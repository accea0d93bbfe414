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
    require_described,
    require_exporter,
    require_folder,
)
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
from harness.cli.task_inference import infer_task
from harness.isolation.file_request import FileRequest


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
    max_examples: MaxExamples = None,
    budget: Budget = None,
    cell_timeout: CellTimeout = None,
    cell_memory: CellMemory = None,
    strict_domain: StrictDomain = False,
    json: AsJson = False,
    quiet: Quiet = False,
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
        require_described(model, task)
        limits = make_limits(cell_timeout, cell_memory)
        request = FileRequest(
            place=str(output),
            model=model,
            task=task,
            memory=limits.memory,
            opset=opset,
            exporter=exporter,
            max_examples=max_examples,
            budget=parse_budget(budget),
            strict_domain=strict_domain,
            trust_remote_code=trust_remote_code,
            config_modules=config_module or [],
        )
        return judge_and_write(request, limits, stdout, as_json=json, quiet=quiet)
