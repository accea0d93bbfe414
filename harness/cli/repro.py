"""`repro`: writes a script that shows a defect of a cell without this package."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import (
    ConfigModules,
    Requirements,
    Seed,
    load_descriptions,
    parse_axes,
    require_exporter,
    require_folder,
    require_registered,
    require_requirements,
)
from harness.cli.output import ONLY_PART, clean_stdout
from harness.records import CellId


class Form(StrEnum):
    """What `repro` writes."""

    SCRIPT = "script"
    ONNX_TEST = "onnx-test"


_SHOWN_LINES = 12
_LINE_LIMIT = 200


def repro(
    cell_id: Annotated[
        str, typer.Argument(metavar="CELL_ID", help="For example bert/fill-mask/opset18/dynamo.")
    ],
    *,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="The script, such as repro.py, or the folder of a test.",
        ),
    ],
    form: Annotated[
        Form, typer.Option("--format", help="A Python script, or a test as runtimes read it.")
    ] = Form.SCRIPT,
    axes: Annotated[
        str | None,
        typer.Option(
            "--axes",
            metavar="batch_size=1,sequence_length=17",
            help="Use this example; default: the minimal failing one.",
        ),
    ] = None,
    seed: Seed = 0,
    requirement: Requirements = None,
    exporter: Annotated[
        str | None,
        typer.Option("--exporter", metavar="E", help="Exporter to use instead of the cell's."),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            "--part",
            metavar="STEM",
            help="Part to use, of several files; default: the one with the largest error.",
        ),
    ] = None,
    config_module: ConfigModules = None,
) -> int:
    """Write a script, or a test of ONNX, that shows a defect without this package.

    A script imports torch, transformers, onnx and onnxruntime. It is run before it is written. It
    ends with status 1 if the defect shows, with 0 if it does not. A test is a folder with the file,
    its inputs, and eager PyTorch's outputs.
    """
    with clean_stdout() as stdout:
        load_descriptions(config_module)
        cell, sizes = CellId.parse(cell_id), parse_axes(axes)
        if exporter is not None:
            cell = dataclasses.replace(cell, exporter=exporter)
        require_exporter(cell.exporter)
        require_requirements(requirement)
        require_registered(cell)
        require_folder(output.parent)
        from harness.judge.cell import make_request
        from harness.repro.onnx_test import write_onnx_test
        from harness.repro.writing import write_script

        request = make_request(cell, requirements=requirement, profile="pr", seed=seed, axes=sizes)
        if form is Form.ONNX_TEST:
            test = write_onnx_test(request, output, part=part)
            subject = f"{test.part}, {test.record.requirement} {test.record.outcome}"
            typer.echo(f"{output} has a test of {cell}: {subject}", file=stdout)
            return 0
        written = write_script(request, output, part=part)
        for line in _short_lines(written.printed)[-_SHOWN_LINES:]:
            typer.echo(f"  {line}", file=stdout)
        case = written.case
        part = f" in {case.part}" if case.part != ONLY_PART else ""
        subject = f"{case.requirement} of {cell}{part}"
        result = f"shows {subject}" if written.shows else f"shows no defect: {subject} holds"
        typer.echo(f"{output} {result}", file=stdout)
    return 0


def _short_lines(printed: str) -> list[str]:
    """Return the short lines: an exporter that fails may print a graph on long ones."""
    return [line for line in printed.splitlines() if len(line) <= _LINE_LIMIT]
