"""`replay`: judges one example of a cell again; failure messages print the command."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.common import (
    AsJson,
    ConfigModules,
    Requirements,
    Seed,
    load_descriptions,
    parse_axes,
    require_exporter,
    require_registered,
    require_requirements,
)
from harness.cli.output import clean_stdout, write_report
from harness.records import CellId


def replay(
    cell_id: Annotated[
        str, typer.Argument(metavar="CELL_ID", help="For example bert/fill-mask/opset18/dynamo.")
    ],
    *,
    axes: Annotated[
        str | None,
        typer.Option(
            "--axes",
            metavar="batch_size=1,sequence_length=17",
            help="Run only this example; default: all examples of the profile pr.",
        ),
    ] = None,
    seed: Seed = 0,
    requirement: Requirements = None,
    json: AsJson = False,
    config_module: ConfigModules = None,
) -> int:
    """Judge one example of a cell again, or the whole cell."""
    with clean_stdout() as stdout:
        load_descriptions(config_module)
        cell, sizes = CellId.parse(cell_id), parse_axes(axes)
        require_exporter(cell.exporter)
        require_requirements(requirement)
        require_registered(cell)
        from harness.judge import judge_cell

        report = judge_cell(cell, requirements=requirement, seed=seed, axes=sizes)
        return write_report(report, stdout, as_json=json)
