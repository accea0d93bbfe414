"""Text about the tolerances of a verdict: the atol of each output, and where it comes from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from harness.records import Record

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)")
"""The number of a layer in the name of an output, as in `present.3.key`."""


def tolerance_lines(records: Iterable[Record]) -> Iterator[str]:
    """Yield a line for each origin of the tolerances that these records were judged with.

    Outputs whose names differ only in the number of a layer are shown as one, with the smallest and
    the largest atol.
    """
    by_origin: dict[str, dict[str, set[float]]] = {}
    for record in records:
        if record.tolerance_origin is not None:
            ranges = by_origin.setdefault(record.tolerance_origin, {})
            for output, atol in record.tolerance.items():
                ranges.setdefault(_NUMBER.sub("*", output), set()).add(atol)
    for origin, ranges in by_origin.items():
        yield f"tolerance ({origin}): {_text(ranges)}"


def _text(ranges: dict[str, set[float]]) -> str:
    numbers = set().union(*ranges.values())
    if len(numbers) == 1 < len(ranges):
        return f"{numbers.pop():.3g} for every output"
    return ", ".join(f"{output} {_span(numbers)}" for output, numbers in ranges.items())


def _span(numbers: set[float]) -> str:
    smallest, largest = f"{min(numbers):.3g}", f"{max(numbers):.3g}"
    return smallest if smallest == largest else f"{smallest} to {largest}"
