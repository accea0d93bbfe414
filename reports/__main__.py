"""`python -m reports`: run files in, something to read out."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from harness.errors import UsageError
from reports.cli import app

EXIT_USAGE = 2


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
