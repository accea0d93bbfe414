"""How many cells of each kind ended how, for whatever table shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from harness.records import SEVERITY, CellId, CellReport, Header, Outcome

UNCLASSIFIED = "unclassified"

Tally = Mapping[str, Counter[Outcome]]


def modality_of(header: Header, cell: CellId) -> str:
    """The modality of a cell's architecture; files of before may not say it."""
    return str(header.modalities.get(cell.architecture, UNCLASSIFIED))


def architecture_of(cell: CellId) -> str:
    """The architecture of a cell, whatever its variant, with a library that is not transformers."""
    return (
        cell.architecture
        if cell.library == "transformers"
        else f"{cell.library}:{cell.architecture}"
    )


def tally(reports: Sequence[CellReport], name_of: Callable[[CellId], str]) -> Tally:
    """Cells by their outcome, for each name that `name_of` gives them; sorted by name."""
    counts: dict[str, Counter[Outcome]] = {}
    for report in reports:
        counts.setdefault(name_of(report.cell), Counter())[report.outcome] += 1
    return dict(sorted(counts.items()))


def rows(counts: Tally, *, title: str) -> Iterator[tuple[str, ...]]:
    """A table: its head, a row for each name, the total. Outcomes that nothing has are left out."""
    total = sum(counts.values(), Counter[Outcome]())
    shown = [outcome for outcome in Outcome if total[outcome]]
    yield (title, "cells", *map(str, shown))
    for name, row in (*counts.items(), ("total", total)):
        yield (name, str(row.total()), *(str(row[outcome]) for outcome in shown))


def collapsed(counts: Tally, limit: int) -> Tally:
    """At most `limit` names: those with the most cells, and the others as one."""
    if len(counts) <= limit:
        return counts
    largest = sorted(counts, key=lambda name: -counts[name].total())[: limit - 1]
    others = [name for name in counts if name not in largest]
    rest = sum((counts[name] for name in others), Counter[Outcome]())
    return {**{n: counts[n] for n in counts if n in largest}, f"{len(others)} others": rest}


def unexpected(reports: Sequence[CellReport]) -> list[CellReport]:
    """The cells that leave a run red, the worst first and else as planned."""
    found = [report for report in reports if not report.expected]
    return sorted(found, key=lambda report: SEVERITY[report.outcome])
