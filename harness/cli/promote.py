"""`promote`: adds the failing examples of a run to the regressions, which always run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import require_folder
from harness.cli.output import clean_stdout


def promote(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory or run file.")],
    *,
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="A folder with the layout of fixtures/.")
    ] = Path("fixtures"),
) -> int:
    """Add the failing examples of a run to the regressions."""
    with clean_stdout() as stdout:
        from harness.judge.regressions import FOLDER
        from harness.judge.regressions import promote as add
        from harness.records import Outcome, read_run

        records = read_run(run).records.values()
        require_folder(output)
        failed = [record for record in records if record.outcome is Outcome.FAILED]
        changed = add(failed, output / FOLDER)
        for path in changed:
            typer.echo(f"wrote {path}", file=stdout)
        if not changed:
            typer.echo("nothing to add: no failure of this run has a new example", file=stdout)
    return 0
