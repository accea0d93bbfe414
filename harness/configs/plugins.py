"""Contents of other packages: config modules found by entry points, and folders of fixtures.

A config module registers its contents when it is imported: descriptions with `register`,
exporters with `register_exporter`, tiny models and expectations with `register_fixtures`.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

from harness.errors import UsageError

ENTRY_POINT_GROUP = "onnx_conformance.configs"

_fixture_directories: list[Path] = []


def load_entry_points() -> None:
    """Import every config module that an installed package announces."""
    for entry_point in sorted(entry_points(group=ENTRY_POINT_GROUP)):
        try:
            entry_point.load()
        except Exception as error:
            raise UsageError(
                f"entry point {entry_point.name!r} ({entry_point.value}) cannot be loaded: "
                f"{error!r}; repair or uninstall its package"
            ) from error


def register_fixtures(directory: Path) -> None:
    """Add a folder with the layout of `fixtures/` (`models/`, `expectations/`)."""
    if not directory.is_dir():
        raise UsageError(f"fixtures folder {directory} does not exist")
    if directory not in _fixture_directories:
        _fixture_directories.append(directory)


def fixture_directories() -> list[Path]:
    """All fixture folders, those registered last first, ours at the end."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "fixtures"
    ours = installed if installed.is_dir() else package.parent / "fixtures"
    return [*reversed(_fixture_directories), ours]


def find_fixture(relative: str) -> Path | None:
    """The first fixture file of this name, if there is one."""
    candidates = (directory / relative for directory in fixture_directories())
    return next((path for path in candidates if path.is_file()), None)
