"""The seed of a cell's examples, derived from that of the run."""

from __future__ import annotations

import hashlib

from harness.records import CellId


def cell_seed(run_seed: int, cell: CellId) -> int:
    """32 bits that follow from the run's seed, the architecture and the task.

    Variant, opset and exporter do not enter: the files of one model meet the same examples, so
    that a difference between two cells is a difference between two files.
    """
    text = f"{run_seed}/{cell.architecture}/{cell.task}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
