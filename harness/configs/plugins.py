"""Config modules of other packages, found by entry points and `--config-module`.

A config module registers its contents when it is imported: descriptions with `register`,
exporters with `register_exporter`, tiny models and expectations with `register_fixtures`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path

from harness.errors import HarnessError, UsageError

ENTRY_POINT_GROUP = "onnx_conformance.configs"

_fixture_directories: list[Path] = []
_config_modules: list[str] = []


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


def load_config_modules(names: Iterable[str]) -> None:
    """Import config modules by dotted name, also from the working directory."""
    from harness.configs.tasks import load_architectures

    load_architectures()  # first, so that a config module can replace an architecture of ours
    directory = str(Path.cwd())
    if directory not in sys.path:
        sys.path.append(directory)
    for name in names:
        try:
            importlib.import_module(name)
        except HarnessError:
            raise
        except Exception as error:
            raise UsageError(f"config module {name!r} cannot be imported: {error!r}") from error
        if name not in _config_modules:
            _config_modules.append(name)


def loaded_config_modules() -> list[str]:
    """Config modules that were named, so that a replay command can name them again."""
    return list(_config_modules)


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
