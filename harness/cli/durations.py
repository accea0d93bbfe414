"""`durations`: stores how long the cells of runs took, for shards, order and estimates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import require_folder
from harness.cli.output import clean_stdout
from harness.errors import UsageError


def durations(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run directories or run files.")
    ],
    *,
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="A folder with the layout of fixtures/.")
    ] = Path("fixtures"),
    fill_gaps: Annotated[
        bool,
        typer.Option(
            "--fill-gaps",
            help="Estimate the registered rows that are missing, from other exporters of the task.",
        ),
    ] = False,
) -> int:
    """Update the file of durations from runs.

    Of a row that several runs measured, the last run counts. Rows that no run measured stay.
    """
    with clean_stdout() as stdout:
        from harness.matrix.durations import (
            FILE,
            mean_durations,
            registered_rows,
            write_durations,
        )
        from harness.matrix.registry import read_registry
        from harness.records import read_run

        rows: dict[str, float] = {}
        for run in runs:
            fresh = mean_durations(read_run(run))
            if not fresh:
                raise UsageError(
                    f"{run}: no cell of this run was judged to the end; give another run"
                )
            rows.update(fresh)
        require_folder(output)
        wanted = registered_rows(read_registry()) if fill_gaps else ()
        count = write_durations(output / FILE, rows, wanted=wanted)
        estimated = f", rows estimated: {count}" if fill_gaps else ""
        typer.echo(f"wrote {output / FILE}, rows measured: {len(rows)}{estimated}", file=stdout)
    return 0
