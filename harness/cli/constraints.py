"""`constraints`: prints pip constraints for an environment with other versions of some packages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.output import clean_stdout
from harness.errors import UsageError


def constraints(
    chosen: Annotated[
        list[str],
        typer.Argument(
            metavar="REQUIREMENT...",
            help="Requirements to install in other versions, after --, such as torch==2.14.*; "
            "options of pip among them are ignored.",
        ),
    ],
    *,
    pins: Annotated[
        Path, typer.Option("--constraints", metavar="FILE", help="File of pinned versions.")
    ] = Path("constraints.txt"),
) -> int:
    """Print the pinned versions without the pins of some packages.

    Pins of packages that only they require are left out too.
    """
    with clean_stdout() as stdout:
        from harness.matrix.constraints import chosen_names, loosen_pins

        try:
            lines = pins.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise UsageError(
                f"{pins}: cannot be read ({error.strerror}); run this in a checkout"
            ) from error
        for line in loosen_pins(lines, chosen_names(chosen)):
            typer.echo(line, file=stdout)
    return 0
