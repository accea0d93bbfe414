"""`make faults`: inject every fault and print which requirement refuses it.

The table also shows whether a peer's validator would refuse it. The exit status is 1 if a fault is
not refused by its intended requirement, or if a benign change is refused.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.faults.rows import CONFORMS, EQUIVALENT, HARMLESS, KINDS, Row, choose, rows

WIDTH = 150


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--only", default="", help="only faults whose name contains this text")
    options = parser.parse_args(arguments)
    console = Console(width=WIDTH, highlight=False)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="onnx-conformance-faults-") as folder:
        chosen = choose(options.only)
        running = rows(Path(folder), chosen, jobs=options.jobs)
        found = list(track(running, "faults", total=len(chosen), console=Console(stderr=True)))
    console.print(_details(found))
    console.print(_by_requirement(found))
    console.print(_totals(found))
    wrong = [row for row in found if not row.is_right]
    for row in wrong:
        expected = " or ".join(row.expected)
        console.print(f"[red]{row.subject} {row.name}: got {row.got}, expected {expected}[/red]")
    cost = sum(row.seconds for row in found)
    console.print(f"{len(found)} in {time.perf_counter() - start:.0f} s, {cost:.0f} s of a core")
    return 1 if wrong else 0


def _details(found: Sequence[Row]) -> Table:
    table = Table("fault", "subject", "family", "intended", "refused by", "detected", "peers")
    for row in found:
        table.add_row(
            row.name,
            row.subject,
            row.kind,
            " or ".join(row.expected),
            row.got,
            "yes" if row.is_right else "[red]NO[/red]",
            _peers(row),
        )
    return table


def _peers(row: Row) -> str:
    is_right = row.peers != (CONFORMS in row.expected)
    return "yes" if is_right else "no"


def _by_requirement(found: Sequence[Row]) -> Table:
    """Count the faults that each requirement refuses first, and how many of them peers refuse."""
    faults = [row for row in found if CONFORMS not in row.expected]
    refused = Counter(row.got for row in faults)
    noticed = Counter(row.got for row in faults if row.peers)
    table = Table("requirement", "refuses first", "peers refuse too", title="by requirement")
    for name, count in refused.most_common():
        table.add_row(name, str(count), str(noticed[name]))
    return table


def _totals(found: Sequence[Row]) -> Table:
    table = Table("family", "number", "right", "peers right", title="totals")
    for kind in KINDS:
        _add_total(table, kind, [row for row in found if row.kind == kind])
    faults = [row for row in found if row.kind not in {EQUIVALENT, HARMLESS}]
    table.add_section()
    _add_total(table, "all faults", faults)
    return table


def _add_total(table: Table, title: str, chosen: Sequence[Row]) -> None:
    right = sum(row.is_right for row in chosen)
    peers = sum(_peers(row) == "yes" for row in chosen)
    table.add_row(title, str(len(chosen)), _share(right, chosen), _share(peers, chosen))


def _share(count: int, of: Sequence[Row]) -> str:
    return f"{count} ({count / len(of):.0%})" if of else "0"


if __name__ == "__main__":
    raise SystemExit(main())
