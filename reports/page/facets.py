"""The data with which scripts filter and sort the matrix: one small number for each cell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.records import SEVERITY, CellReport, Outcome, Record
from reports.page.matrix import Columns, Group, MatrixRow
from reports.page.support import support_of
from reports.signs import SIGNS
from reports.text import visible

NO_CELL = -1


def facets_of(
    groups: Iterable[Group], columns: Columns, requirements: Sequence[str]
) -> dict[str, Any]:
    """Return the rows, in the order of the page, with the kind of every cell.

    A *kind* has the outcomes of a cell's requirements, as letters in the order of `requirements`
    (a blank if one was not planned), the cell's outcome, the layers at fault, whether the cell
    ended as expected, and whether it conforms. Thousands of cells have only a few dozen kinds.
    """
    rows = [row for group in groups for row in group.rows]
    kinds: dict[str, int] = {}
    return {
        "exporters": columns.exporters,
        "opsets": columns.opsets,
        "requirements": requirements,
        "outcomes": [
            {"letter": SIGNS[outcome].letter, "label": SIGNS[outcome].label} for outcome in SEVERITY
        ],
        "rows": [_row(row, columns, requirements, kinds) for row in rows],
        "kinds": [json.loads(kind) for kind in kinds],
    }


def as_json(data: Mapping[str, Any]) -> str:
    """Return JSON that is safe within a script element, whatever its texts contain.

    https://html.spec.whatwg.org/multipage/scripting.html#restrictions-for-contents-of-script-elements
    """
    text = json.dumps(_visible(data), separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def layer_of(record: Record) -> str | None:
    """Return the layer at fault: the one of the expectation, or else the measured blame."""
    expectation = record.expectation or {}
    layer = expectation.get("layer") or record.blame
    return None if layer is None else str(layer)


def _row(
    row: MatrixRow, columns: Columns, requirements: Sequence[str], kinds: dict[str, int]
) -> dict[str, Any]:
    return {
        "name": row.name,
        "architecture": row.architecture,
        "href": row.href,
        "task": row.task,
        "modality": row.modality,
        "cells": [
            NO_CELL if square is None else _kind(square.report, requirements, kinds)
            for square in row.squares
        ],
        "ratio": max(map(_ratio, row.reports), default=0.0),
        "seconds": round(sum(r.seconds for report in row.reports for r in report.records), 3),
        "support": [
            [s.exporter, s.opsets, s.best, s.conforming, s.applicable, s.needed, s.atol]
            for s in support_of(row, columns)
        ],
    }


def _kind(report: CellReport, requirements: Sequence[str], kinds: dict[str, int]) -> int:
    ended = {record.requirement: SIGNS[record.outcome].letter for record in report.records}
    layers = {
        record.requirement: layer
        for record in report.records
        if record.outcome is not Outcome.PASSED and (layer := layer_of(record))
    }
    kind = [
        "".join(ended.get(name, " ") for name in requirements),
        SIGNS[report.outcome].letter,
        layers,
        report.expected,
        report.conforms,
    ]
    return kinds.setdefault(json.dumps(kind, sort_keys=True), len(kinds))


def _ratio(report: CellReport) -> float:
    """Return the worst error ratio; a NaN or infinite one is 1e9, since JSON has neither."""
    ratios = [record.worst.error_ratio for record in report.records if record.worst]
    return max((round(min(r, 1e9), 6) if r == r else 1e9 for r in ratios), default=0.0)


def _visible(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {visible(str(key)): _visible(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_visible(item) for item in value]
    return value
