"""Where the entries of expectation files stand, and reading them; what they mean is checked next.

What is no TOML cannot be read at all. Everything else that is wrong is told, and reading goes on.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.configs.plugins import fixture_directories
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.matrix.expectation_schema import ExpectationEntry

TABLE = "expectation"
FOLDER = "expectations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an entry stands, for messages (`text`) and for records (`source`)."""

    path: Path
    number: int

    @property
    def text(self) -> str:
        return f"{self.path}: entry {self.number}:"

    @property
    def source(self) -> str:
        return f"{self.path.name}, entry {self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """An entry of the right form, as it is written."""

    place: Place
    entry: ExpectationEntry


def committed_files() -> tuple[Path, ...]:
    """The expectation files of every fixture folder, ours last."""
    return tuple(
        path
        for directory in fixture_directories()
        for path in sorted((directory / FOLDER).glob("*.toml"))
    )


def read_entries(path: Path) -> Iterator[Written | str]:
    """The entries of a file in order, and in place of those of another form one line for each
    thing that is wrong with them. Raises UsageError for what cannot be read as TOML.
    """
    from harness.matrix.expectation_schema import DefectsError, parse_entry

    content = _parse(read_source(path), path)
    for key in sorted(set(content) - {TABLE}):
        yield f"{path}: key {key!r} is not known; write [[{TABLE}]] tables only"
    tables = content.get(TABLE, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        yield f"{path}: {TABLE!r} is no array of tables; write [[{TABLE}]]"
        return
    for number, table in enumerate(tables, start=1):
        place = Place(path=path, number=number)
        try:
            yield Written(place=place, entry=parse_entry(table))
        except DefectsError as error:
            yield from (f"{place.text} {defect}" for defect in error.defects)


def read_source(path: Path) -> str:
    """The text of a file, its line ends as they are; raises UsageError where it cannot be read."""
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}); give an existing file"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not TOML ({error}); save it as UTF-8") from error


def _parse(text: str, path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: is not TOML ({error}); correct that line") from error
