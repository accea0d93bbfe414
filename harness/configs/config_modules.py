"""Config modules that a user names (`--config-module`)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from pathlib import Path

from harness.configs.tasks import load_architectures
from harness.errors import HarnessError, UsageError

_config_modules: list[str] = []


def load_config_modules(names: Iterable[str]) -> None:
    """Import config modules by dotted name, also from the working directory."""
    load_architectures()  # first, so that a config module can replace a built-in description
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
