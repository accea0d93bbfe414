"""What a cell's records follow from, as one digest: while it stays, they need not be made again."""

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
from harness.configs.plugins import fixture_directories, loaded_config_modules
from harness.configs.tasks import TasksManager
from harness.configs.transformers_mappings import library_folder
from harness.errors import HarnessError
from harness.evidence.fixtures import FOLDER as MODELS
from harness.evidence.fixtures import TinyModel, read_fixture
from harness.exporters import get_exporter
from harness.judge.regressions import FOLDER as REGRESSIONS
from harness.matrix.dependents import made_of
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
"""The sources that judge any cell. Descriptions and exporters count for their own cells."""

ALSO_DECIDING = ("hypothesis", "numpy", "onnx-ir", "ml-dtypes", "sympy")
"""Packages that draw examples, compare values or write files, beside those that a run names."""

CPU_INFO = Path("/proc/cpuinfo")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


class Fingerprints:
    """Fingerprints of cells as everything is now: what several share is looked at once.

    `seed` is that of the run, `max_examples` are drawn for each cell. A profile does not enter:
    what it plans is in the requirements.
    """

    def __init__(self, *, max_examples: int, seed: int) -> None:
        self._max_examples = max_examples
        self._seed = seed
        self._surroundings = functools.cache(_surroundings)
        self._description = functools.cache(_description)
        self._exporter = functools.cache(_exporter)
        self._tiny_model = functools.cache(_tiny_model)

    def of(self, cell: CellId, requirements: Sequence[str]) -> str | None:
        """64 hexadecimal digits; None where nobody can tell what the cell is made of."""
        found = self.ingredients(cell, requirements)
        if found is None:
            return None
        return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()

    def ingredients(self, cell: CellId, requirements: Sequence[str]) -> Mapping[str, Any] | None:
        """Everything that can change a cell's records, by name."""
        try:
            made = {
                "description": self._description(cell.architecture, cell.task),
                "exporter": self._exporter(cell.exporter),
                "tiny model": self._tiny_model(TinyModel(cell.architecture, cell.variant)),
                "surroundings": self._surroundings(),
            }
        except HarnessError:  # the judge says better what is wrong
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
    """What all cells share. Replay commands name the config modules."""
    package = Path(harness.__file__).parent
    engine = sorted({path for pattern in ENGINE for path in package.glob(pattern)})
    also = {name: installed_version(name) or "none" for name in ALSO_DECIDING}
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
    files = files_of(base.__module__ for base in made_of(constructor.resolve()))
    return None if files is None else _digest(sorted(files), digest_of)


def _exporter(name: str) -> list[str] | None:
    """Its sources and its settings, but for what it found out itself."""
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
    """Its files, the regressions of its architecture, and what it is built from in transformers."""
    own = TinyModel(model.architecture)
    names = (f"{MODELS}/{own}.json", f"{MODELS}/{model}.json", f"{REGRESSIONS}/{own}.json")
    folders = fixture_directories()
    types = frozenset({model.architecture, *model_types(read_fixture(model))})
    return {
        "fixtures": _digest([folder / name for name in names for folder in folders], digest_of),
        "modeling": _digest(files_of_models(library_folder(), types), digest_of_bytes),
    }


def _digest(files: Iterable[Path], digest: Callable[[Path], str]) -> str:
    """One digest of many files in this order, by name, wherever they are installed."""
    found = (f"{path.parent.name}/{path.name} {digest(path)}" for path in files)
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


def _torch_build() -> str:
    """The commit is in this file: two nightly builds of one day may share a version."""
    spec = importlib.util.find_spec("torch")
    folders = (spec and spec.submodule_search_locations) or [""]
    return digest_of_bytes(Path(folders[0], "version.py"))


def _processor() -> str:
    """Vector units round differently; Linux names the processor here, others nowhere."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith("model name")), platform.processor())
