"""The command `python -m reports`, which turns run files into reports."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from harness.errors import UsageError
from reports.cli import app

EXIT_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Bad input gives status 2 and one line on stderr.
    """
    try:
        # standalone_mode=False: in standalone mode, typer prints several lines for a bad option.
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
