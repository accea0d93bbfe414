"""The seed of a cell's examples, derived from the seed of the run."""

from __future__ import annotations

import hashlib

from harness.records import CellId


def cell_seed(run_seed: int, cell: CellId) -> int:
    """Return a 32-bit seed that depends on the run's seed, the architecture and the task.

    It does not depend on variant, opset or exporter: all files of a model get the same examples, so
    if two of its cells differ, the difference comes from the files.
    """
    text = f"{run_seed}/{cell.architecture}/{cell.task}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
