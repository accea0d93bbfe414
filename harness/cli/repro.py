"""`repro`: writes a script that shows the defect of a cell to people who have no harness."""

from __future__ import annotations

import dataclasses
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
from harness.cli.output import ONLY_PART, own_stdout
from harness.records import CellId

_SHOWN_LINES = 12
_LINE_LIMIT = 200


def repro(
    cell_id: Annotated[
        str, typer.Argument(metavar="CELL_ID", help="For example bert/fill-mask/opset18/dynamo.")
    ],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The script, such as repro.py.")
    ],
    axes: Annotated[
        str | None,
        typer.Option(
            "--axes",
            metavar="batch_size=1,sequence_length=17",
            help="Show this example; without it, the minimal one of what fails.",
        ),
    ] = None,
    seed: Seed = 0,
    requirement: Requirements = None,
    exporter: Annotated[
        str | None, typer.Option("--exporter", metavar="E", help="In place of the cell's own.")
    ] = None,
    part: Annotated[
        str | None,
        typer.Option("--part", metavar="STEM", help="Of several files, the one to show it with."),
    ] = None,
    config_module: ConfigModules = None,
) -> int:
    """Write a script that shows a defect with torch, transformers, onnx and onnxruntime alone.

    It is run before it is written. It ends with status 1 where the defect shows, with 0 where it
    does not.
    """
    with own_stdout() as stdout:
        load_descriptions(config_module)
        cell, sizes = CellId.parse(cell_id), parse_axes(axes)
        if exporter is not None:
            cell = dataclasses.replace(cell, exporter=exporter)
        require_exporter(cell.exporter)
        require_requirements(requirement)
        require_registered(cell)
        require_folder(output.parent)
        from harness.judge.cell import make_request
        from harness.repro.writing import write_script

        request = make_request(cell, requirements=requirement, profile="pr", seed=seed, axes=sizes)
        written = write_script(request, output, part=part)
        for line in _short_lines(written.printed)[-_SHOWN_LINES:]:
            typer.echo(f"  {line}", file=stdout)
        case = written.case
        part = f" in {case.part}" if case.part != ONLY_PART else ""
        what = f"{case.requirement} of {cell}{part}"
        told = f"shows {what}" if written.shows else f"shows no defect: {what} holds"
        typer.echo(f"{output} {told}", file=stdout)
    return 0


def _short_lines(printed: str) -> list[str]:
    """What the script itself says: an exporter that fails may print a graph."""
    return [line for line in printed.splitlines() if len(line) <= _LINE_LIMIT]
