"""What transformers has: its architectures per task, read from the source of its auto mappings.

Importing anything from `transformers.models.auto` imports torch, which takes seconds; parsing the
one module that holds the mappings takes milliseconds.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from harness.configs.task_table import TASKS
from harness.errors import HarnessError

LIBRARY = "transformers"
SOURCE = Path("models", "auto", "modeling_auto.py")
SUFFIX = "_MAPPING_NAMES"
CONFIG_SOURCES = (
    Path("models", "auto", "auto_mappings.py"),
    Path("models", "auto", "configuration_auto.py"),
)
"""Where the model types are listed: versions before 5.1 have only the second module."""

ClassNames = tuple[str, ...]
ModelMapping = dict[str, ClassNames]


def classes_by_task() -> dict[str, ModelMapping]:
    """Task -> architecture -> names of its model classes, for the tasks that have a mapping.

    Raises HarnessError where transformers is missing or keeps its mappings elsewhere.
    """
    mappings = _read_mappings()
    known = {one.mapping for task in TASKS.values() for one in task.classes}
    missing = sorted(known - mappings.keys())
    if missing:
        raise HarnessError(
            f"transformers: {SOURCE.name} has no mapping {', '.join(missing)}; "
            "install a version of transformers that this harness supports"
        )
    return {
        name: {
            architecture: classes
            for one in reversed(task.classes)
            for architecture, classes in mappings[one.mapping].items()
        }
        for name, task in TASKS.items()
    }


def class_of_task(task: str, architecture: str) -> str | None:
    """Return the Auto class of a task that has an architecture; the first class if none has it.

    Where the mapping has no Auto class, it is the class that the mapping names, if it names one.
    """
    first, *others = TASKS[task].classes
    if not others and first.auto_class is not None:
        return first.auto_class
    mappings = _read_mappings()
    having = (one for one in (first, *others) if architecture in mappings.get(one.mapping, ()))
    found = next(having, first)
    named = mappings.get(found.mapping, {}).get(architecture, ())
    return found.auto_class or next(iter(named), None)


def architectures_by_task() -> dict[str, set[str]]:
    """Task -> architectures that transformers has for it; raises as `classes_by_task` does."""
    return {task: set(mapping) for task, mapping in classes_by_task().items()}


@functools.cache
def model_types() -> frozenset[str]:
    """Every model type of transformers, those without a task included; raises as the others do.

    A pair of a model type and the name of a configuration class is read as an entry of the mapping.
    """
    paths = (library_folder() / source for source in CONFIG_SOURCES)
    listed = {
        name
        for path in paths
        if path.is_file()
        for node in ast.walk(_parse(path))
        for name, value in _pairs(node)
        if value.endswith("Config")
    }
    return frozenset(listed.union(*architectures_by_task().values()))


def _pairs(node: ast.AST) -> Iterator[tuple[str, str]]:
    """The pairs of text that a tuple or a dictionary in the source has."""
    match node:
        case ast.Tuple(elts=[ast.Constant(value=str(name)), ast.Constant(value=str(value))]):
            yield name, value
        case ast.Dict(keys=keys, values=values):
            for key, item in zip(keys, values, strict=True):
                match key, item:
                    case ast.Constant(value=str(name)), ast.Constant(value=str(value)):
                        yield name, value


def tasks_of_class(class_name: str) -> list[str]:
    """The tasks, sorted, whose Auto class can return a model of this class."""
    return sorted(
        task
        for task, mapping in classes_by_task().items()
        if any(class_name in names for names in mapping.values())
    )


@functools.cache
def _read_mappings() -> dict[str, ModelMapping]:
    path = library_folder() / SOURCE
    tree = _parse(path)
    try:
        return _evaluate(tree)
    except ValueError as error:
        raise _unreadable(path, error) from error


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> HarnessError:
    return HarnessError(
        f"transformers: its model mappings cannot be read from {path} ({error}); "
        "install a version of transformers that this harness supports"
    )


def library_folder() -> Path:
    """Where transformers is installed, importing nothing of it; raises HarnessError if nowhere."""
    # Only the top-level name: finding the spec of a submodule imports its parents.
    try:
        spec = find_spec(LIBRARY)
    except ValueError:  # a module of that name without a spec
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise HarnessError("transformers is not installed; install it with onnx-conformance")
    return Path(spec.submodule_search_locations[0])


def _evaluate(tree: ast.Module) -> dict[str, ModelMapping]:
    mappings: dict[str, ModelMapping] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            if name.endswith(SUFFIX):
                mappings[name] = dict(_items(statement.value, mappings))
    return mappings


def _items(
    value: ast.expr, mappings: Mapping[str, ModelMapping]
) -> Iterator[tuple[str, ClassNames]]:
    """The items of `OrderedDict([(architecture, class or classes), *list(OTHER.items())])`."""
    match value:
        case ast.Call(args=[ast.List(elts=elements)]):
            pass
        case _:
            raise ValueError(f"line {value.lineno}: not a call with one list")
    for element in elements:
        if isinstance(element, ast.Starred):
            yield from _named_items(element, mappings)
        else:
            architecture, classes = ast.literal_eval(element)
            yield architecture, (classes,) if isinstance(classes, str) else tuple(classes)


def _named_items(
    element: ast.Starred, mappings: Mapping[str, ModelMapping]
) -> Iterator[tuple[str, ClassNames]]:
    names = [node.id for node in ast.walk(element) if isinstance(node, ast.Name)]
    found = [name for name in names if name in mappings]
    if len(found) != 1:
        raise ValueError(f"line {element.lineno}: no mapping known among {', '.join(names)}")
    yield from mappings[found[0]].items()
