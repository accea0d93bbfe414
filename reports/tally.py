"""Counts cells by outcome, per architecture or modality, for tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from harness.records import SEVERITY, CellId, CellReport, Header, Outcome

UNCLASSIFIED = "unclassified"

Tally = Mapping[str, Counter[Outcome]]


def modality_of(header: Header, cell: CellId) -> str:
    """Return the modality of a cell's architecture; older run files may lack it."""
    return str(header.modalities.get(cell.architecture, UNCLASSIFIED))


def architecture_of(cell: CellId) -> str:
    """Return a cell's architecture without its variant, with its library unless transformers."""
    return (
        cell.architecture
        if cell.library == "transformers"
        else f"{cell.library}:{cell.architecture}"
    )


def tally(reports: Sequence[CellReport], name_of: Callable[[CellId], str]) -> Tally:
    """Return name -> (outcome -> number of cells), sorted by name; `name_of` names a cell."""
    counts: dict[str, Counter[Outcome]] = {}
    for report in reports:
        counts.setdefault(name_of(report.cell), Counter())[report.outcome] += 1
    return dict(sorted(counts.items()))


def rows(counts: Tally, *, title: str) -> Iterator[tuple[str, ...]]:
    """Yield a table: its head, a row per name, the total. Outcomes without cells are left out."""
    total = sum(counts.values(), Counter[Outcome]())
    shown = [outcome for outcome in Outcome if total[outcome]]
    yield (title, "cells", *map(str, shown))
    for name, row in (*counts.items(), ("total", total)):
        yield (name, str(row.total()), *(str(row[outcome]) for outcome in shown))


def collapsed(counts: Tally, limit: int) -> Tally:
    """Return at most `limit` entries: those with most cells, and the sum of the others."""
    if len(counts) <= limit:
        return counts
    largest = sorted(counts, key=lambda name: -counts[name].total())[: limit - 1]
    others = [name for name in counts if name not in largest]
    rest = sum((counts[name] for name in others), Counter[Outcome]())
    return {**{n: counts[n] for n in counts if n in largest}, f"{len(others)} others": rest}


def unexpected(reports: Sequence[CellReport]) -> list[CellReport]:
    """Return the cells that make a run red, the worst first, then in planned order."""
    found = [report for report in reports if not report.expected]
    return sorted(found, key=lambda report: SEVERITY[report.outcome])
