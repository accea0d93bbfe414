"""Narrows the entries that a run contradicts: an item less where that does, else into several.

An edit takes away what the run contradicts and nothing else. What the run did not judge stays
covered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.matrix.expectation_checks import Known
from harness.matrix.expectation_evidence import EntryEvidence, Judged
from harness.matrix.expectation_matching import values_of
from harness.matrix.expectation_text import Changes
from harness.matrix.grouping import describe, group_pairs
from harness.matrix.names import split_list
from harness.matrix.opsets import format_opsets, parse_opsets
from harness.matrix.pairs import KEYS, Box, Matrix, Pair

NARROWED_FIRST = ("opsets", "exporter", "architecture", "task", "requirement")
Items = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What takes the place of an entry, and one line that says why."""

    known: Known
    changes: Changes
    note: str


def edit_entry(
    known: Known, evidence: EntryEvidence, judged: Judged, matrix: Matrix
) -> Edit | None:
    """The entry without what contradicts it; None where nothing does."""
    source = known.written.place.source
    ended = _ended(evidence.contradicting, judged)
    if evidence.is_refuted:
        verdict = "removed" if evidence.is_passed else "never met, removed"
        why = f"of its pairs {ended}" if ended else "none of its pairs is applicable"
        return Edit(known=known, changes=(), note=f"{source}: {verdict}: {why}")
    if not evidence.contradicting:
        return None
    changes = _narrow(known, evidence, matrix)
    verdict = "narrowed" if len(changes) == 1 else f"split into {len(changes)} entries"
    return Edit(known=known, changes=changes, note=f"{source}: {verdict}: of its pairs {ended}")


def _ended(pairs: Iterable[Pair], judged: Judged) -> str:
    counts = Counter(str(judged.outcomes[pair]) for pair in pairs)
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))


def _narrow(known: Known, evidence: EntryEvidence, matrix: Matrix) -> Changes:
    items = _take_off(_written_items(known), evidence, matrix)
    if not any(map(_box(items, matrix).covers, evidence.contradicting)):
        return (_changed_keys(known, _without_idle(items, matrix)),)
    boxes = group_pairs(evidence.supporting, matrix)
    return tuple(_changed_keys(known, _rewrite(known, box, matrix)) for box in boxes)


def _written_items(known: Known) -> Items:
    """The comma list of each key; of opsets each one, so that ranges can lose some."""
    return {key: _split(key, getattr(known.written.entry, key)) for key in KEYS}


def _box(items: Items, matrix: Matrix) -> Box:
    return Box(*(values_of(items[key], key, matrix.registry) for key in KEYS))


def _take_off(items: Items, evidence: EntryEvidence, matrix: Matrix) -> Items:
    """The lists without the items that cover something contradicted and nothing supported."""
    for key in NARROWED_FIRST:
        box = _box(items, matrix)
        parts = {
            item: box.with_key(key, values_of([item], key, matrix.registry)) for item in items[key]
        }
        against = [pair for pair in evidence.contradicting if box.covers(pair)]
        kept = tuple(
            item
            for item, part in parts.items()
            if not any(map(part.covers, against)) or any(map(part.covers, evidence.supporting))
        )
        items = {**items, key: kept}
    return items


def _without_idle(items: Items, matrix: Matrix) -> Items:
    """The lists without what covers no pair any more, now that others are gone."""
    box = _box(items, matrix)
    return {
        key: tuple(
            item
            for item in items[key]
            if any(matrix.pairs(box.with_key(key, values_of([item], key, matrix.registry))))
        )
        for key in KEYS
    }


def _rewrite(known: Known, box: Box, matrix: Matrix) -> Items:
    """Lists that cover exactly a box, and are as they were written where they can be."""
    covered, texts, before = set(matrix.pairs(box)), describe(box, matrix), _written_items(known)
    items: Items = {key: _split(key, texts[key]) for key in KEYS}
    for key in KEYS:
        as_written = {**items, key: before[key]}
        if set(matrix.pairs(_box(as_written, matrix))) == covered:
            items = _without_idle(as_written, matrix)
    return items


def _changed_keys(known: Known, items: Items) -> Mapping[str, str]:
    before = _written_items(known)
    return {key: _text(key, items[key]) for key in KEYS if items[key] != before[key]}


def _split(key: str, text: str) -> tuple[str, ...]:
    items = split_list(text, subject=key)
    return tuple(map(str, parse_opsets(text))) if key == "opsets" else items


def _text(key: str, items: tuple[str, ...]) -> str:
    return format_opsets(map(int, items)) if key == "opsets" else ",".join(items)
