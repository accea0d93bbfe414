"""`expectations check` and `expectations update`: keep known failures up to date."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import ConfigModules, load_descriptions
from harness.cli.output import clean_stdout, table_lines
from harness.errors import UsageError
from harness.records import GLYPHS, Outcome
from harness.versions import installed_version

if TYPE_CHECKING:
    from harness.matrix.expectation_checks import Examined, Known, VersionOf
    from harness.matrix.expectation_update import FileEdit
    from harness.matrix.full_matrix import FullMatrix

COLUMNS = ("", "finding", "layer", "opsets", "cells", "expires")
WRONG = 1

expectations = typer.Typer(
    rich_markup_mode=None, help="Check the known failures, or update them from a run."
)

KnownFailures = Annotated[
    Path | None,
    typer.Option(
        "--expectations",
        metavar="PATH",
        help="Use this folder, or this TOML file and its list, instead of the committed ones.",
    ),
]


@expectations.command("check")
def check(*, expectations: KnownFailures = None, config_module: ConfigModules = None) -> int:
    """Check every finding and its list of cells; exit 1 if one is wrong.

    Prints a table of the findings, then the inactive findings and all problems.
    """
    with clean_stdout() as stdout:
        load_descriptions(config_module)
        examined, _ = _examine(expectations, installed_version, needs_cells=True)
        for line in _lines(examined):
            typer.echo(line, file=stdout)
    return WRONG if examined.problems else 0


@expectations.command("update")
def update(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory or run file.")],
    *,
    write: Annotated[bool, typer.Option("--write", help="Write the files too.")] = False,
    expectations: KnownFailures = None,
    config_module: ConfigModules = None,
) -> int:
    """Propose the lines and findings that make all outcomes of a run expected.

    Prints a diff of the files to stdout, and notes to stderr.
    """
    with clean_stdout() as stdout:
        load_descriptions(config_module)
        from harness.matrix.expectation_update import home_of, propose_update, versions_of
        from harness.records import read_run

        found = read_run(run)
        examined, matrix = _examine(expectations, versions_of(found), needs_cells=False)
        home = home_of if expectations is None else lambda _: _folder_of(expectations)
        proposed = propose_update(found, examined.require_sound(), matrix, home=home)
        for note in proposed.notes or ["nothing to change"]:
            typer.echo(note, err=True)
        for file in proposed.files:
            typer.echo(file.diff(_name(file.path)), file=stdout, nl=False)
            if write:
                _write(file)
    return 0


def _folder_of(place: Path) -> Path:
    return place if place.is_dir() else place.parent


def _examine(
    replacement: Path | None, version_of: VersionOf, *, needs_cells: bool
) -> tuple[Examined, FullMatrix]:
    from harness.matrix.expectation_checks import examine_expectations
    from harness.matrix.expectation_files import committed_folders
    from harness.matrix.full_matrix import FullMatrix
    from harness.matrix.registry import read_registry

    places = committed_folders() if replacement is None else (replacement,)
    registry = read_registry()
    examined = examine_expectations(
        places, registry, version_of=version_of, needs_cells=needs_cells
    )
    return examined, FullMatrix.of(registry)


def _lines(examined: Examined) -> Iterator[str]:
    """Yield a row for each finding, then the inactive findings, then the problems."""
    yield from table_lines(COLUMNS, (_row(one, examined.problems) for one in examined.known))
    for one in examined.known:
        if one.inactive:
            yield f"inactive: {one.expectation.source} {one.inactive}"
    yield from examined.problems
    yield f"{len(examined.problems)} problems" if examined.problems else "no problems"


def _row(one: Known, problems: Sequence[str]) -> Sequence[str]:
    written = one.written
    files = tuple(f"{path}:" for path in (written.path, written.cells_path))
    is_good = not any(problem.startswith(files) for problem in problems)
    return (
        GLYPHS[Outcome.PASSED if is_good else Outcome.FAILED],
        written.path.stem,
        written.entry.layer,
        written.entry.opsets,
        str(len(written.lines)),
        str(written.entry.expires or "never"),
    )


def _name(path: Path) -> str:
    """Return the path of a file in the diff, for `git apply` in the current folder."""
    here = Path.cwd()
    absolute = path.absolute()
    shown = absolute.relative_to(here) if absolute.is_relative_to(here) else path
    return shown.as_posix().lstrip("/")


def _write(file: FileEdit) -> None:
    from harness.files import write_atomically

    try:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        if file.after:
            write_atomically(file.path, file.after)
        else:
            file.path.unlink()
    except OSError as error:
        raise UsageError(
            f"{file.path}: cannot be written ({error.strerror}); make it writable"
        ) from error
    typer.echo(f"{'wrote' if file.after else 'removed'} {file.path}", err=True)
