"""`constraints`: the pins with which pip installs a second environment with newer versions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.output import own_stdout
from harness.errors import UsageError


def constraints(
    chosen: Annotated[
        list[str],
        typer.Argument(
            metavar="REQUIREMENT...",
            help="What is to be newer, after --: torch==2.14.* and options of pip, which are "
            "passed over.",
        ),
    ],
    *,
    pins: Annotated[
        Path, typer.Option("--constraints", metavar="FILE", help="The pinned versions.")
    ] = Path("constraints.txt"),
) -> int:
    """Print the pinned versions without those of some packages and of what only they require."""
    with own_stdout() as stdout:
        from harness.matrix.constraints import chosen_names, loosened

        try:
            lines = pins.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise UsageError(
                f"{pins}: cannot be read ({error.strerror}); run this in a checkout"
            ) from error
        for line in loosened(lines, chosen_names(chosen)):
            typer.echo(line, file=stdout)
    return 0
