"""Measures how many tasks that a survey calls described conform with no edit by hand.

It draws tasks from the file of `scaffold --report FILE` by seed, lets `scaffold` write each into a
folder of its own, which judges it with one exporter after the other until it conforms.

The bar: at least half of a random 60 conform with some exporter. The file of the results has one
line for each task; an interrupted run goes on where it ended.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks._cells import ROOT
from benchmarks._measuring import Bar, make_console, make_parser, progress
from harness.cli.scaffold_report import known_lines

BAR = Bar.at_least(50.0, " %")
SECONDS = 900
"""Of one task."""
LENGTH = 8000
"""Characters of the output that are kept of a task that does not conform."""
_GREEN = re.compile(r"^green: (\S+)/(\w+)$", re.MULTILINE)

Pair = tuple[str, str]


def draw(survey: Path, count: int, seed: int) -> list[Pair]:
    """Return a random sample of the described pairs of a survey."""
    lines = known_lines(survey)
    pairs = sorted(
        (one["architecture"], one["task"]) for one in lines if one["stage"] == "described"
    )
    return random.Random(seed).sample(pairs, min(count, len(pairs)))


def results(pairs: Sequence[Pair], path: Path, workers: int) -> Iterator[dict[str, Any]]:
    """Yield the results in the file, then each other one when it is ready and appended."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    known = [json.loads(line) for line in text.splitlines()]
    done = {(one["architecture"], one["task"]): one for one in known}
    yield from (done[pair] for pair in pairs if pair in done)
    with ThreadPoolExecutor(workers) as pool, path.open("a", encoding="utf-8") as stream:
        started = [pool.submit(measure, pair) for pair in pairs if pair not in done]
        for one in as_completed(started):
            stream.write(json.dumps(one.result()) + "\n")
            stream.flush()
            yield one.result()


def measure(pair: Pair) -> dict[str, Any]:
    """Return with which exporter a pair conforms, and the last lines of the command otherwise."""
    start = time.perf_counter()
    status, output = _scaffold(pair)
    green = _GREEN.findall(output) if status == 0 else []
    found = {
        "architecture": pair[0],
        "task": pair[1],
        "exporter": ", ".join(dict.fromkeys(exporter for _, exporter in green)) or None,
        "seconds": round(time.perf_counter() - start, 1),
    }
    return found if green else {**found, "output": output[-LENGTH:]}


def _scaffold(pair: Pair) -> tuple[int | None, str]:
    architecture, task = pair
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "harness", "scaffold", architecture, "--task", task]
        try:
            done = subprocess.run(
                [*command, "--any-exporter", "--output", folder],
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
                check=False,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:
            return None, f"took more than {SECONDS} s"
    return done.returncode, done.stdout + done.stderr[-1000:]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__spec__, __doc__)
    parser.add_argument("survey", type=Path, help="file of `scaffold --report FILE`")
    parser.add_argument("results", type=Path, help="file for the results")
    parser.add_argument("--sample", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    pairs = draw(options.survey, options.sample, options.seed)
    if not pairs:
        raise SystemExit(f"{options.survey} has no described task; let the survey run further")
    measured = results(pairs, options.results, options.workers)
    found = [next(measured) for _ in progress(pairs, "tasks")]
    table = Table("architecture", "task", "conforms with", "seconds")
    for one in found:
        row = (one["architecture"], one["task"], one["exporter"] or "none", f"{one['seconds']:g}")
        table.add_row(*row)
    console = make_console()
    console.print(table)
    share = 100 * sum(one["exporter"] is not None for one in found) / len(found)
    console.print(
        f"{share:.0f} % of {len(found)} tasks conform with no edit, seed {options.seed}: "
        f"{BAR.verdict(share)}"
    )


if __name__ == "__main__":
    main()
