"""Any set of pairs as few boxes, and a box as the comma lists and globs that people write."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import permutations
from typing import Any

from harness.evidence.fixtures import TinyModel
from harness.matrix.opsets import format_opsets
from harness.matrix.pairs import KEYS, Box, Matrix, Pair
from harness.matrix.plan import ALONE

EVERY = "*"
TASK = KEYS.index("task")


def group_pairs(pairs: Collection[Pair], matrix: Matrix) -> list[Box]:
    """Boxes that together cover exactly `pairs` of the matrix, none of them twice.

    Boxes that differ in one key are joined, key by key. In which order decides how many are left:
    the best one is taken.
    """
    units = [Box.of([pair]) for pair in sorted(set(pairs))]
    varied = [i for i, values in enumerate(Box.of(pairs)) if len(values) > 1] if units else []
    boxes = min((_join_in(order, units, matrix) for order in permutations(varied)), key=len)
    return [_with_own_tasks(box, matrix) for box in boxes]


def _join_in(order: Sequence[int], boxes: Sequence[Box], matrix: Matrix) -> list[Box]:
    joined = list(boxes)
    while True:
        before = len(joined)
        for index in order:
            joined = _join(joined, index, matrix)
        if len(joined) == before:
            return joined


def _join(boxes: Iterable[Box], index: int, matrix: Matrix) -> list[Box]:
    """Boxes that differ in one key alone become one."""
    groups: dict[tuple[Any, ...], frozenset[Any]] = defaultdict(frozenset)
    for box in boxes:
        groups[*box[:index], *box[index + 1 :]] |= box[index]
    joined = [Box(*(*key[:index], values, *key[index:])) for key, values in groups.items()]
    return [_with_every_task(box, matrix) for box in joined] if index == TASK else joined


def _with_every_task(box: Box, matrix: Matrix) -> Box:
    """Architectures with different tasks can only be joined where all tasks read alike."""
    if any(set(matrix.registry.tasks[model]) - box.tasks for model in box.models):
        return box
    return box._replace(tasks=frozenset({EVERY}))


def _with_own_tasks(box: Box, matrix: Matrix) -> Box:
    return box._replace(tasks=_tasks_of(box, matrix)) if EVERY in box.tasks else box


def _tasks_of(box: Box, matrix: Matrix) -> frozenset[str]:
    return frozenset(task for model in box.models for task in matrix.registry.tasks[model])


def describe(box: Box, matrix: Matrix) -> dict[str, str]:
    """What an entry says under each of `KEYS` to cover the pairs of a box, and no others."""
    registry = matrix.registry
    tasks = _tasks_of(box, matrix)
    is_every = len(tasks) > 1 and tasks <= box.tasks
    return {
        "architecture": ",".join(_names(box, matrix)),
        "task": EVERY if is_every else ",".join(sorted(box.tasks & tasks)),
        "opsets": format_opsets(box.opsets),
        "exporter": ",".join(name for name in registry.exporters if name in box.exporters),
        "requirement": ",".join(n for n in registry.requirements if n in box.requirements),
    }


def _names(box: Box, matrix: Matrix) -> list[str]:
    """Names of tiny models; an architecture's covers its variants, too, where nothing speaks
    against it."""
    names: list[str] = []
    for model in matrix.registry.models:
        if model not in box.models or model.architecture in names:
            continue
        is_alone = not model.variant and _has_other_variants(model, box, matrix)
        names.append(f"{model}{ALONE}" if is_alone else str(model))
    return names


def _has_other_variants(own: TinyModel, box: Box, matrix: Matrix) -> bool:
    """Whether a variant that is not in the box has a task that is."""
    return any(
        model.architecture == own.architecture
        and model not in box.models
        and not box.tasks.isdisjoint(tasks)
        for model, tasks in matrix.registry.tasks.items()
    )
