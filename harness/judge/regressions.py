"""Regressions: shrunk failing examples that are committed and always run.

`fixtures/regressions/<architecture>.json` is a list of objects with `task`, `axes`, `seed` and
`found`, the cell and requirement that failed. All opsets and exporters of the task run them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.configs.plugins import fixture_directories
from harness.configs.task_table import base_task
from harness.errors import UsageError
from harness.files import read_json, write_atomically

if TYPE_CHECKING:
    from harness.configs.axis_space import AxisSpace, IsAffordable
    from harness.evidence.example import Example
    from harness.records import CellId, Record

FOLDER = "regressions"
_KEYS = {"task": str, "axes": dict, "seed": int, "found": str}


def examples_for_cell(
    cell: CellId, space: AxisSpace, *, count: int, seed: int, is_affordable: IsAffordable
) -> list[Example]:
    """Return the examples of a cell: its task's regressions, all corners, about `count` drawn ones.

    Sizes of corners and drawn examples are reduced until they are affordable. Raises UsageError if
    a regression file has the wrong form; the message names the file.
    """
    from harness.judge.examples import draw_examples

    known = _regressions(cell, space)
    drawn = draw_examples(space, count=count, seed=seed, is_affordable=is_affordable)
    return list(dict.fromkeys([*known, *drawn]))


def _regressions(cell: CellId, space: AxisSpace) -> Iterator[Example]:
    """Yield the committed examples of a task, in file order.

    A task and its `-with-past` form share their examples if the axes are the same.
    """
    from harness.evidence.example import Example

    for directory in fixture_directories():
        for entry in _read(directory / FOLDER / f"{cell.architecture}.json"):
            is_of_task = base_task(entry["task"]) == base_task(cell.task)
            if is_of_task and set(entry["axes"]) == set(space.ranges):
                yield Example.of(space.fit(entry["axes"]), entry["seed"])


def promote(records: Iterable[Record], directory: Path) -> list[Path]:
    """Add the minimal failing example of each record to the files in `directory`, once each.

    Returns the changed files. Raises UsageError if a file has the wrong form.
    """
    added: dict[str, list[dict[str, Any]]] = {}
    for record in (record for record in records if record.failing is not None):
        added.setdefault(record.cell.architecture, []).append(_entry(record))
    changed = []
    for architecture, entries in sorted(added.items()):
        path = directory / f"{architecture}.json"
        known = _read(path)
        new = list(_new_entries(entries, known))
        if new:
            _write(path, [*known, *new])
            changed.append(path)
    return changed


def _entry(record: Record) -> dict[str, Any]:
    assert record.failing is not None
    return {
        "task": record.cell.task,
        "axes": dict(record.failing.axes),
        "seed": record.failing.seed,
        "found": f"{record.cell} {record.requirement}",
    }


def _new_entries(
    entries: Iterable[Mapping[str, Any]], known: Iterable[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """Yield entries that are not known yet, each once.

    Cells of one task that fail on the same example give one regression.
    """
    seen = [_identity(entry) for entry in known]
    for entry in entries:
        if _identity(entry) not in seen:
            seen.append(_identity(entry))
            yield entry


def _identity(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    return base_task(entry["task"]), sorted(entry["axes"].items()), entry["seed"]


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    entries = read_json(path)
    if not isinstance(entries, list):
        raise UsageError(f"{path}: is not a list of regressions; write [] or promote a run")
    for number, entry in enumerate(entries, start=1):
        if (problem := _problem(entry)) is not None:
            raise UsageError(f"{path}: entry {number} {problem}; correct it, or promote a run")
    found: list[dict[str, Any]] = entries
    return found


def _problem(entry: Any) -> str | None:
    if not isinstance(entry, dict) or set(entry) != set(_KEYS):
        return f"must have the keys {', '.join(_KEYS)}, and no others"
    for key, kind in _KEYS.items():
        if type(entry[key]) is not kind:
            return f"has {key} {entry[key]!r}, which is not of type {kind.__name__}"
    sizes = entry["axes"].values()
    if not all(type(size) is int and size >= 0 for size in sizes) or entry["seed"] < 0:
        return "has a size or a seed that is not an integer of at least 0"
    return None


def _write(path: Path, entries: list[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(f"  {json.dumps(entry)}" for entry in entries)
    write_atomically(path, f"[\n{lines}\n]\n")
