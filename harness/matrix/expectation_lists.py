"""Lists of cells in which a finding is met: one cell a line, sorted.

If a cell fails only some of the finding's requirements, their names stand behind it:
`longt5/feature-extraction/opset14/torchscript agreement,cache`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from harness.matrix.expectations import Expectation, Pair
from harness.matrix.full_matrix import FullMatrix, split_cell
from harness.matrix.opsets import format_opsets


def read_pairs(lines: Iterable[str], requirements: Sequence[str]) -> Iterator[Pair]:
    """Yield the pairs that the lines of a list name; `requirements` are the finding's."""
    for line in lines:
        cell, names = _split(line)
        for requirement in names or requirements:
            yield cell, requirement


def write_list(pairs: Iterable[Pair], requirements: Sequence[str]) -> str:
    """Return the text of the list that names exactly these pairs."""
    found: dict[str, set[str]] = {}
    for cell, requirement in pairs:
        found.setdefault(cell, set()).add(requirement)
    return "".join(f"{_line(cell, found[cell], requirements)}\n" for cell in sorted(found))


def find_wrong_lines(
    lines: Sequence[str], expectation: Expectation, matrix: FullMatrix
) -> Iterator[str]:
    """Yield the number of each wrong line and what is wrong with it."""
    if not lines:
        yield "lists no cell; run expectations update on a run that meets it, or remove the finding"
    known, before = expectation.requirements, ""
    for number, line in enumerate(lines, start=1):
        cell, names = _split(line)
        why = _wrong_cell(cell, expectation, matrix) or _wrong_order(cell, before)
        if not why and line != _line(cell, names or known, known):
            why = _wrong_requirements(line, known)
        if why:
            yield f"line {number}: {why}"
        before = cell


def _split(line: str) -> tuple[str, tuple[str, ...]]:
    cell, _, names = line.partition(" ")
    return cell, tuple(names.split(",")) if names else ()


def _line(cell: str, names: Collection[str], requirements: Sequence[str]) -> str:
    in_order = [name for name in requirements if name in names]
    return cell if in_order == list(requirements) else f"{cell} {','.join(in_order)}"


def _wrong_cell(cell: str, expectation: Expectation, matrix: FullMatrix) -> str:
    if why := matrix.why_not_planned(cell):
        return f"cell {cell!r} is not planned in a full matrix: {why}"
    _, opset, exporter = split_cell(cell)
    if matrix.opsets[opset] in expectation.opsets and exporter in expectation.exporters:
        return ""
    exporters = ",".join(sorted(expectation.exporters))
    return (
        f"{cell} is outside of the finding: {exporters} at opsets "
        f"{format_opsets(expectation.opsets)}; take it off the list"
    )


def _wrong_order(cell: str, before: str) -> str:
    if cell == before:
        return f"{cell} stands in the list twice; remove one of the lines"
    return f"{cell} stands behind {before}; sort the lines" if cell < before else ""


def _wrong_requirements(line: str, known: Sequence[str]) -> str:
    return (
        f"{line!r} names its requirements wrongly; write some of {','.join(known)}, in this order, "
        "or none if all of them fail"
    )
