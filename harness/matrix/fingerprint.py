"""Fingerprints of cells: a digest of everything that can change a cell's records.

As long as the fingerprint of a cell is unchanged, `--incremental` reuses its records.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import platform
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import harness
from harness.configs.config_modules import loaded_config_modules
from harness.configs.plugins import fixture_directories
from harness.configs.tasks import TasksManager
from harness.configs.transformers_mappings import library_folder
from harness.errors import HarnessError
from harness.evidence.fixtures import FOLDER as MODELS
from harness.evidence.fixtures import TinyModel, read_fixture
from harness.exporters import get_exporter
from harness.judge.regressions import FOLDER as REGRESSIONS
from harness.matrix.dependents import description_classes
from harness.matrix.modeling import files_of_models, model_types, shared_files
from harness.matrix.registry import BACKEND
from harness.matrix.seeds import cell_seed
from harness.matrix.sources import digest_of, digest_of_bytes, files_of
from harness.records import CellId
from harness.versions import installed_version, versions

ENGINE = (
    *("*.py", "records/*.py", "configs/*.py", "exporters/_*.py", "evidence/**/*.py"),
    *("requirements/**/*.py", "judge/**/*.py", "isolation/judge_process.py"),
)
"""Sources that every cell depends on. Descriptions and exporters count only for their own cells."""

OTHER_PACKAGES = ("hypothesis", "numpy", "onnx-ir", "ml-dtypes", "sympy")
"""Packages that draw examples, compare values or write files; a run's `versions` has others."""

CPU_INFO = Path("/proc/cpuinfo")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


class Fingerprints:
    """Fingerprints of cells in the current state of files and packages.

    Ingredients that cells share are read once per instance. `seed` is the seed of the run, and
    `max_examples` the number of examples drawn for each cell. The profile has no influence of its
    own: the requirements that it plans are part of the fingerprint.
    """

    def __init__(self, *, max_examples: int, seed: int) -> None:
        self._max_examples = max_examples
        self._seed = seed
        self._surroundings = functools.cache(_surroundings)
        self._description = functools.cache(_description)
        self._exporter = functools.cache(_exporter)
        self._tiny_model = functools.cache(_tiny_model)

    def of(self, cell: CellId, requirements: Sequence[str]) -> str | None:
        """Return 64 hexadecimal digits; None if the cell's sources cannot be determined."""
        found = self.ingredients(cell, requirements)
        if found is None:
            return None
        return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()

    def ingredients(self, cell: CellId, requirements: Sequence[str]) -> Mapping[str, Any] | None:
        """Return everything that can change a cell's records, by name; None if it is unknown."""
        try:
            made = {
                "description": self._description(cell.architecture, cell.task),
                "exporter": self._exporter(cell.exporter),
                "tiny model": self._tiny_model(TinyModel(cell.architecture, cell.variant)),
                "surroundings": self._surroundings(),
            }
        except HarnessError:  # the judge reports this error with more detail
            return None
        if None in made.values():
            return None
        return {
            **made,
            "cell": str(cell),
            "requirements": list(requirements),
            "examples": [self._max_examples, cell_seed(self._seed, cell)],
        }


def _surroundings() -> dict[str, Any]:
    """Ingredients of all cells. Config modules count, since records name them to replay a cell."""
    package = Path(harness.__file__).parent
    engine = sorted({path for pattern in ENGINE for path in package.glob(pattern)})
    also = {name: installed_version(name) or "none" for name in OTHER_PACKAGES}
    return {
        "versions": {**versions(), **also},
        "machine": [platform.system(), platform.machine(), _processor()],
        "torch build": _torch_build(),
        "engine": _digest(engine, digest_of),
        "transformers": _digest(shared_files(library_folder()), digest_of_bytes),
        "config modules": loaded_config_modules(),
    }


def _description(architecture: str, task: str) -> str | None:
    constructor = TasksManager.get_exporter_config_constructor(
        BACKEND, model_type=architecture, task=task
    )
    files = files_of(base.__module__ for base in description_classes(constructor.resolve()))
    return None if files is None else _digest(sorted(files), digest_of)


def _exporter(name: str) -> list[str] | None:
    """Digest of an exporter's sources, and its settings except the values that it computed."""
    exporter = get_exporter(name)
    files = files_of([type(exporter).__module__])
    if files is None:
        return None
    settings = {
        name: value
        for name, value in getattr(exporter, "__dict__", {}).items()
        if not isinstance(getattr(type(exporter), name, None), functools.cached_property)
    }
    return [_digest(sorted(files), digest_of), _ADDRESS.sub("", repr((exporter, settings)))]


def _tiny_model(model: TinyModel) -> dict[str, str]:
    """Digests of a tiny model's fixtures and regressions, and of its files in transformers."""
    own = TinyModel(model.architecture)
    names = (f"{MODELS}/{own}.json", f"{MODELS}/{model}.json", f"{REGRESSIONS}/{own}.json")
    folders = fixture_directories()
    types = frozenset({model.architecture, *model_types(read_fixture(model))})
    return {
        "fixtures": _digest([folder / name for name in names for folder in folders], digest_of),
        "modeling": _digest(files_of_models(library_folder(), types), digest_of_bytes),
    }


def _digest(files: Iterable[Path], digest: Callable[[Path], str]) -> str:
    """One digest of the names and contents of files in this order, whatever their location."""
    found = (f"{path.parent.name}/{path.name} {digest(path)}" for path in files)
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


def _torch_build() -> str:
    """Digest of torch's `version.py`: two nightly builds may share a version, but not a commit."""
    spec = importlib.util.find_spec("torch")
    folders = (spec and spec.submodule_search_locations) or [""]
    return digest_of_bytes(Path(folders[0], "version.py"))


def _processor() -> str:
    """Name of the processor, since vector units round differently; exact only on Linux."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith("model name")), platform.processor())
