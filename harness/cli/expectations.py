"""`expectations check` and `expectations update`: keep known failures up to date."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
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
    from harness.matrix.pairs import Matrix

COLUMNS = ("", "file", "entries", "active", "inactive", "pairs", "next expiry")
WRONG = 1

expectations = typer.Typer(
    rich_markup_mode=None, help="Check the known failures, or update them from a run."
)

ExpectationFile = Annotated[
    Path | None,
    typer.Option(
        "--expectations", metavar="FILE", help="Use this file instead of the committed files."
    ),
]


@expectations.command("check")
def check(*, expectations: ExpectationFile = None, config_module: ConfigModules = None) -> int:
    """Check every entry; exit 1 if one is wrong.

    Prints a table of the files, then the inactive entries and all problems.
    """
    with clean_stdout() as stdout:
        load_descriptions(config_module)
        files = _files(expectations)
        examined, matrix = _examine(files, installed_version)
        for line in _lines(files, examined, matrix):
            typer.echo(line, file=stdout)
    return WRONG if examined.problems else 0


@expectations.command("update")
def update(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory or run file.")],
    *,
    write: Annotated[bool, typer.Option("--write", help="Write the files too.")] = False,
    expectations: ExpectationFile = None,
    config_module: ConfigModules = None,
) -> int:
    """Propose edits that make all outcomes of a run expected.

    Prints a diff of the files to stdout, and notes to stderr.
    """
    with clean_stdout() as stdout:
        load_descriptions(config_module)
        from harness.matrix.expectation_update import home_of, propose_update, versions_of
        from harness.records import read_run

        found = read_run(run)
        examined, matrix = _examine(_files(expectations), versions_of(found))
        home = home_of if expectations is None else lambda _: expectations
        proposed = propose_update(found, examined.require_sound(), matrix, home=home)
        for note in proposed.notes or ["nothing to change"]:
            typer.echo(note, err=True)
        for file in proposed.files:
            typer.echo(file.diff(_name(file.path)), file=stdout, nl=False)
            if write:
                _write(file)
    return 0


def _files(replacement: Path | None) -> tuple[Path, ...]:
    from harness.matrix.expectation_files import committed_files

    return committed_files() if replacement is None else (replacement,)


def _examine(files: Sequence[Path], version_of: VersionOf) -> tuple[Examined, Matrix]:
    from harness.matrix.expectation_checks import examine_expectations
    from harness.matrix.pairs import Matrix
    from harness.matrix.registry import read_registry

    registry = read_registry()
    return examine_expectations(files, registry, version_of=version_of), Matrix(registry)


def _lines(files: Sequence[Path], examined: Examined, matrix: Matrix) -> Iterator[str]:
    """Yield a row for each file, then the inactive entries, then the problems."""
    yield from table_lines(COLUMNS, (_row(path, examined, matrix) for path in files))
    for one in examined.known:
        if one.inactive:
            yield f"inactive: {one.written.place.source} {one.inactive}"
    yield from examined.problems
    yield f"{len(examined.problems)} problems" if examined.problems else "no problems"


def _row(path: Path, examined: Examined, matrix: Matrix) -> Sequence[str]:
    known = [one for one in examined.known if one.written.place.path == path]
    is_good = not any(problem.startswith(f"{path}:") for problem in examined.problems)
    active = sum(not one.inactive for one in known)
    covered = {pair for one in known for pair in matrix.pairs(one.expectation.box)}
    return (
        GLYPHS[Outcome.PASSED if is_good else Outcome.FAILED],
        path.name,
        *map(str, (len(known), active, len(known) - active, len(covered))),
        str(_next_expiry(known) or "none"),
    )


def _next_expiry(known: Sequence[Known]) -> date | None:
    days = [one.written.entry.expires for one in known]
    return min((day for day in days if day is not None), default=None)


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
        write_atomically(file.path, file.after)
    except OSError as error:
        raise UsageError(
            f"{file.path}: cannot be written ({error.strerror}); make it writable"
        ) from error
    typer.echo(f"wrote {file.path}", err=True)
