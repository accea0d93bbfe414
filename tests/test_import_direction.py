"""No layer imports a later one, no modules import each other, light ones import nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Each layer may import itself and earlier layers.
LAYERS = (
    {"harness.errors"},
    {"harness.files"},
    {"harness.versions"},
    {"harness.records"},
    {"harness.configs"},
    {"harness.exporters"},
    {"harness.evidence"},
    {"harness.requirements"},
    {"harness.judge"},
    {"harness.inference"},
    {"harness.repro"},
    {"harness.matrix"},
    {"harness.isolation"},
    {"harness.pytest_plugin", "harness.cli"},
    {"conformance"},
)
# All that `reports` may import, and the only package that may import `reports`.
EXTRA = {
    "reports": {"harness.errors", "harness.files", "harness.records"},
    "harness.pytest_plugin": {"reports"},
}


def _package_of(module: str) -> str | None:
    parts = module.split(".")
    if parts[0] in {"conformance", "reports"}:
        return parts[0]
    return ".".join(parts[:2]) if parts[0] == "harness" and len(parts) > 1 else None


def _allowed(package: str) -> set[str]:
    if package == "reports":
        return {"reports", *EXTRA["reports"]}
    for rank, layer in enumerate(LAYERS):
        if package in layer:
            before = {name for earlier in LAYERS[:rank] for name in earlier}
            return {package, *before, *EXTRA.get(package, set())}
    raise AssertionError(f"{package} is in no layer")


def _sources() -> Iterator[tuple[str, Path]]:
    for top in ("harness", "reports", "conformance"):
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(part for part in parts if part != "__init__"), path


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(("module", "path"), list(_sources()), ids=lambda value: str(value)[-60:])
def test_no_layer_imports_a_later_one(module: str, path: Path) -> None:
    package = _package_of(module)
    if package is None or module == "harness.__main__":
        return
    reached = {
        found for name in _imports(path) if (found := _package_of(name)) and _is_known(found)
    }
    assert reached <= _allowed(package), f"{module} imports {reached - _allowed(package)}"


def _imported_modules(path: Path, known: Collection[str]) -> Iterator[str]:
    """Yield the known modules that a module imports, also within functions and for types."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in known else str(node.module) for name in names)


def test_no_modules_import_each_other() -> None:
    modules = dict(_sources())
    graph = {
        module: {name for name in _imported_modules(path, modules) if name in modules} - {module}
        for module, path in modules.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other: {' -> '.join(error.args[1])}")


def _is_known(name: str) -> bool:
    known = {package for layer in LAYERS for package in layer} | {"reports", "conformance"}
    return name in known


def _loaded_by(statement: str) -> set[str]:
    program = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import harness, harness.records, harness.errors",
        "import reports.html, reports.__main__",
        "from harness import TasksManager; TasksManager.architectures()",
        "from harness.requirements import ladder; ladder()",
        "from harness.matrix.registry import read_registry; read_registry()",
        "from harness.exporters import exporter_names; exporter_names()",
        "import harness.judge.profiles, harness.matrix, harness.cli",
    ],
)
def test_nothing_heavy_is_imported(statement: str) -> None:
    heavy = {"torch", "onnx", "onnxruntime", "transformers", "hypothesis", "pydantic"}
    assert not heavy & _loaded_by(statement)


def test_records_need_only_the_standard_library() -> None:
    loaded = {name.split(".")[0] for name in _loaded_by("import harness.records")}
    assert loaded - {"harness", "lazy_loader"} <= set(sys.stdlib_module_names) | {"__main__"} | {
        name for name in loaded if name.startswith(("_", "sitecustomize"))
    }
