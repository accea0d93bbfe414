"""`durations`: stores how long the cells of a run took, for shards, order and estimates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import require_folder
from harness.cli.output import clean_stdout
from harness.errors import UsageError


def durations(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory or run file.")],
    *,
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="A folder with the layout of fixtures/.")
    ] = Path("fixtures"),
) -> int:
    """Update the file of durations from a run.

    Rows of cells that the run did not judge stay.
    """
    with clean_stdout() as stdout:
        from harness.matrix.durations import FILE, mean_durations, write_durations
        from harness.records import read_run

        rows = mean_durations(read_run(run))
        if not rows:
            raise UsageError(f"{run}: no cell of this run was judged to the end; give another run")
        require_folder(output)
        write_durations(output / FILE, rows)
        typer.echo(f"wrote {output / FILE}, rows measured: {len(rows)}", file=stdout)
    return 0
