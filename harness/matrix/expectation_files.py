"""Files of known failures: one TOML file a finding, and beside it the list of its cells."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.configs.plugins import fixture_directories
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.matrix.expectation_schema import FindingEntry

FOLDER = "expectations"
FINDING, CELLS = ".toml", ".cells"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFinding:
    """A finding of the right form as its two files state it.

    `lines` are the lines of its list, none if the list is missing.
    """

    path: Path
    entry: FindingEntry
    lines: tuple[str, ...]

    @property
    def cells_path(self) -> Path:
        return self.path.with_suffix(CELLS)


def committed_folders() -> tuple[Path, ...]:
    """Return the folder of known failures of every fixture folder, this project's last."""
    folders = (directory / FOLDER for directory in fixture_directories())
    return tuple(folder for folder in folders if folder.is_dir())


def read_findings(place: Path) -> Iterator[WrittenFinding | str]:
    """Yield the findings of a folder, or of one TOML file, and a line for each error in them.

    Raises UsageError if a file cannot be read or is not TOML.
    """
    if place.is_dir():
        yield from _lists_without_finding(place)
    for path in finding_paths(place):
        yield from _read_finding(path)


def finding_paths(place: Path) -> tuple[Path, ...]:
    """Return the TOML files of a folder, sorted; the path itself if it is not a folder."""
    return tuple(sorted(place.glob(f"*{FINDING}"))) if place.is_dir() else (place,)


def _lists_without_finding(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob(f"*{CELLS}")):
        finding = path.with_suffix(FINDING)
        if not finding.exists():
            yield f"{path}: {finding.name} is missing beside it; add it or remove the list"


def _read_finding(path: Path) -> Iterator[WrittenFinding | str]:
    from harness.matrix.expectation_schema import DefectsError, parse_entry

    cells = path.with_suffix(CELLS)
    table = _parse(read_source(path), path)
    lines = tuple(read_source(cells).splitlines()) if cells.exists() else ()
    try:
        yield WrittenFinding(path=path, entry=parse_entry(table), lines=lines)
    except DefectsError as error:
        yield from (f"{path}: {defect}" for defect in error.defects)


def read_source(path: Path) -> str:
    """Return the text of a file; raises UsageError if it cannot be read."""
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}); give an existing file or folder"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not text ({error}); save it as UTF-8") from error


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: is not TOML ({error}); correct that line") from error
