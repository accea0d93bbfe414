"""Every planned cell conforms, or fails as an expectation declares."""

from __future__ import annotations

from collections.abc import Callable

from harness.records import CellId


def test_cell(cell: CellId, assert_conforms: Callable[[CellId], None]) -> None:
    assert_conforms(cell)
