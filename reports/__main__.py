"""`python -m reports`: run files in, something to read out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import UsageError
from harness.records import read_run
from reports.html import write_page

EXIT_USAGE = 2

app = typer.Typer(
    name="reports",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def reports() -> None:
    """Turn run files into reports; needs neither torch nor onnx."""


@app.command("html")
def html(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory or its run.jsonl.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the page, index.html.")
    ],
) -> None:
    """Write one self-contained page: the matrix, and what is behind each of its cells."""
    typer.echo(write_page(read_run(run), output))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status, 2 for bad input after one line on stderr."""
    try:
        # Not standalone: typer's own report of a bad option takes several lines.
        status = app(arguments, prog_name="python -m reports", standalone_mode=False)
    except typer.TyperException as error:
        return _refuse(f"{error.format_message()} Try --help.")
    except UsageError as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(f"{error.filename}: {error.strerror}")
    return status if isinstance(status, int) else 0


def _refuse(message: str) -> int:
    typer.echo(f"error: {' '.join(message.split())}", err=True)
    return EXIT_USAGE


if __name__ == "__main__":
    sys.exit(main())
