"""Measures the memory of one judge process that judges 1,000 cells and is never replaced.

The bars: at most 10 % growth from the 100th cell to the last, and at most 1.5 GB.
"""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
from rich.table import Table

from benchmarks._cells import add_selection, selected_cells
from benchmarks._measuring import Bar, make_console, make_parser, progress
from benchmarks._plotting import add_plot, plot
from harness.isolation.child_process import ChildProcess, Ending
from harness.isolation.setup import Reply, Request, Setup
from harness.isolation.supervisor import JUDGE
from harness.judge.profiles import get_profile
from harness.records import CellId

GROWTH = Bar.at_most(10.0, " %")
SIZE = Bar.at_most(1500.0, " MB")
ARCHITECTURES = "bert,gpt2~,llama,vit"
WARM = 100
"""Number of cells after which every task has been judged and caches are full."""

SECONDS = 600.0
MB = 10**6

Sample = tuple[int, float]
"""The number of cells judged so far, and the resident memory in MB."""


class LastingJudge:
    """A judge process as in a run, but never replaced."""

    def __init__(self, folder: Path, profile: str) -> None:
        self._folder = folder
        self._profile = get_profile(profile)
        journals = folder / "journals"
        journals.mkdir()
        setup = Setup(
            run="memory",
            seed=0,
            profile=profile,
            max_examples=self._profile.max_examples,
            process="main",
            mark=str(folder),
            journals=str(journals),
            config_modules=[],
            expectations=None,
        )
        self._judge = ChildProcess(JUDGE, setup.dump(), mark=setup.mark)
        self._await_reply("start")
        self.changes: Counter[str] = Counter()
        """Reasons for which a run would have replaced the process, with their counts."""

    def judge(self, cell: CellId, *, seed: int) -> None:
        request = Request(
            cell=str(cell),
            requirements=list(self._profile.plan(None)),
            known=[],
            seed=seed,
            folder=str(self._folder / "cell"),
        )
        self._judge.send(request.dump())
        reply = self._await_reply(str(cell))
        self.changes.update(reply.changed)

    def _await_reply(self, subject: str) -> Reply:
        line = self._judge.next_line(SECONDS, memory=None)
        answer = line if isinstance(line, Ending) else Reply.load(line)
        if isinstance(answer, Ending) or answer.got is not None:
            raise SystemExit(f"{subject}: {answer.got}\n{answer.traceback}")
        self._judge.kill_descendants()
        return answer

    @property
    def resident(self) -> float:
        return psutil.Process(self._judge.pid).memory_info().rss / MB

    def end(self) -> None:
        self._judge.kill()


def measure(
    judge: LastingJudge, cells: Sequence[CellId], *, count: int, every: int
) -> Iterator[Sample]:
    """Judge `count` cells, repeating `cells` with new examples; yield a sample every `every`."""
    passes = ((cell, seed) for seed in itertools.count() for cell in cells)
    numbered = list(enumerate(itertools.islice(passes, count), start=1))
    for index, (cell, seed) in progress(numbered, "cells"):
        judge.judge(cell, seed=seed)
        if index % every == 0 or index in (WARM, count):
            yield index, judge.resident


def growth(samples: Sequence[Sample]) -> float:
    """Return the growth in percent, from the first sample after WARM cells to the last sample."""
    warm = next((size for index, size in samples if index >= WARM), samples[0][1])
    return 100 * (samples[-1][1] / warm - 1)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__spec__, __doc__)
    add_selection(parser)
    parser.set_defaults(architecture=ARCHITECTURES)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--every", type=int, default=50, help="cells between two samples")
    add_plot(parser)
    options = parser.parse_args(arguments)
    cells = selected_cells(options)
    with tempfile.TemporaryDirectory() as folder:
        judge = LastingJudge(Path(folder), options.profile)
        try:
            found = measure(judge, cells, count=options.cells, every=options.every)
            samples = list(found)
        finally:
            judge.end()
    table = Table("cells", "MB resident")
    for index, size in samples:
        table.add_row(str(index), f"{size:.0f}")
    console = make_console()
    console.print(table)
    for change, times in judge.changes.items():
        console.print(f"a run would have replaced the judge {times} times: {change}")
    largest, grown = max(size for _, size in samples), growth(samples)
    console.print(
        f"{options.cells} cells, of {len(cells)} different ones: {largest:.0f} MB at most, "
        f"{SIZE.verdict(largest)}"
    )
    console.print(f"{grown:+.1f} % since the {WARM}th cell: {GROWTH.verdict(grown)}")
    if options.plot:
        bar = [(0, SIZE.limit), (options.cells, SIZE.limit)]
        names = {"x": "cells judged", "y": "MB resident", "bar_name": "bar"}
        plot(options.plot, {"one judge": samples}, bar=bar, **names)


if __name__ == "__main__":
    main()
