"""Which pairs of the full matrix an entry covers, and which of its words cover none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.matrix.names import select, split_list
from harness.matrix.opsets import format_opsets, parse_opsets
from harness.matrix.pairs import KEYS, Box, Matrix
from harness.matrix.plan import select_models, select_tasks
from harness.matrix.registry import Registry

if TYPE_CHECKING:
    from harness.matrix.expectation_schema import ExpectationEntry


def _select_opsets(text: str, registry: Registry, *, subject: str) -> tuple[int, ...]:
    return parse_opsets(text, subject=subject)


def _select_exporters(text: str, registry: Registry, *, subject: str) -> tuple[str, ...]:
    return select(text, registry.exporters, subject=subject)


def _select_requirements(text: str, registry: Registry, *, subject: str) -> tuple[str, ...]:
    return select(text, registry.requirements, subject=subject)


_SELECTIONS: Mapping[str, Callable[..., Sequence[Any]]] = {
    "architecture": select_models,
    "task": select_tasks,
    "opsets": _select_opsets,
    "exporter": _select_exporters,
    "requirement": _select_requirements,
}


def items_of(entry: ExpectationEntry, key: str) -> tuple[str, ...]:
    """The comma list under one of `KEYS`; raises UsageError where an item is empty."""
    return split_list(getattr(entry, key), subject=key)


def values_of(items: Sequence[str], key: str, registry: Registry) -> frozenset[Any]:
    """What the items of a comma list stand for; raises UsageError where one matches nothing."""
    return frozenset(_SELECTIONS[key](",".join(items), registry, subject=key))


def box_of(entry: ExpectationEntry, registry: Registry) -> Box:
    """Every pair that an entry covers; raises UsageError where an item matches nothing."""
    return Box(*(values_of(items_of(entry, key), key, registry) for key in KEYS))


def find_unmatched(entry: ExpectationEntry, matrix: Matrix) -> list[str]:
    """One line for each item that is not known or, where all are, for what matches no pair."""
    return list(_unknown(entry, matrix.registry)) or list(_without_pair(entry, matrix))


def _unknown(entry: ExpectationEntry, registry: Registry) -> Iterator[str]:
    for key in KEYS:
        try:
            for item in items_of(entry, key):
                yield from _refusal(item, key, registry)
        except UsageError as error:
            yield str(error)


def _refusal(item: str, key: str, registry: Registry) -> Iterator[str]:
    try:
        values_of([item], key, registry)
    except UsageError as error:
        yield str(error)


def _without_pair(entry: ExpectationEntry, matrix: Matrix) -> Iterator[str]:
    whole = {key: getattr(entry, key) for key in KEYS}
    if why := _why_empty(whole, matrix):
        yield f"{why}, so it matches no pair; correct or remove it"
        return
    for key in KEYS:
        for item in items_of(entry, key):
            if why := _why_empty({**whole, key: item}, matrix):
                yield f"{key} {item!r}: {why}, so it matches no pair; take it off the list"


def _why_empty(texts: Mapping[str, str], matrix: Matrix) -> str | None:
    """Why no pair of the matrix has these names; None where one has."""
    box = Box(*(values_of([texts[key]], key, matrix.registry) for key in KEYS))
    if any(matrix.pairs(box)):
        return None
    if not matrix.rows(box):
        return f"{texts['architecture']} has no task {texts['task']}"
    return f"opsets {texts['opsets']} are none of {format_opsets(matrix.opsets)}"
