"""Measures the pages of a run: seconds to write, bytes, and seconds to open and filter.

The bar: Chromium opens the matrix of 20,000 cells in at most 1 s, and filters it in at most 1 s.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice, product
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks._measuring import Bar, make_console, make_parser
from benchmarks._plotting import add_plot, plot
from harness.records import (
    CellId,
    Header,
    InterfaceValue,
    Meaning,
    Outcome,
    PartInterface,
    Record,
    Run,
    Worst,
    make_footer,
    reports_of,
)
from reports.html import write_page

BAR = Bar.at_most(1.0, " s")
SIZES = (1_000, 5_000, 20_000)
EXPORTERS = ("dynamo", "torchscript")
OPSETS = range(9, 26)
TASKS = tuple(f"task-{index}" for index in range(8))
REQUIREMENTS = (
    *("export", "opset", "checker", "interface", "dynamic-axes", "weights", "agreement"),
    *("padding", "sensitivity", "cache", "determinism", "runtime", "baked-sizes"),
)
COMPARING = {"agreement", "padding", "cache", "runtime"}
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
# Waits until after the next frame: by then, the browser has laid out and painted the change.
PAINTED = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
FILTER = """async (text) => {
  const start = performance.now();
  const input = document.getElementById("text");
  input.value = text;
  input.dispatchEvent(new Event("input"));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return (performance.now() - start) / 1000;
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCost:
    """The cost of the pages of one run.

    `seconds` is the time to write them; `first` and `whole` are bytes of the first page and of all
    pages; `opens` and `filters` are seconds in a browser, None without a browser.
    """

    cells: int
    seconds: float
    first: int
    whole: int
    opens: float | None
    filters: float | None


def synthetic(count: int) -> Run:
    """Return a run of `count` cells like a nightly's: a quarter is not applicable, some fail."""
    planned = {str(cell): list(REQUIREMENTS) for cell in islice(_cells(), count)}
    header = Header(
        run=f"synthetic-{count}",
        started="2025-01-02T03:04:05+00:00",
        versions={"python": "3.12.0", "torch": "2.9.0", "onnx": "1.20.0"},
        platform="Linux",
        profile="nightly",
        seed=1,
        planned=planned,
        modalities={CellId.parse(cell).architecture: "text" for cell in planned},
        requirements={name: Meaning(proves="it holds", fails_when="not") for name in REQUIREMENTS},
    )
    records = {
        (cell, name): _record(CellId.parse(cell), name, index)
        for index, cell in enumerate(planned)
        for name in REQUIREMENTS
    }
    footer = make_footer(reports_of(header, records), exit_status=1)
    return Run(header=header, started=[], records=records, footer=footer)


def _cells() -> Iterator[CellId]:
    architectures = (f"architecture-{index:03}" for index in range(1_000))
    for architecture, task, opset, exporter in product(architectures, TASKS, OPSETS, EXPORTERS):
        yield CellId(architecture=architecture, task=task, opset=opset, exporter=exporter)


def _record(cell: CellId, name: str, index: int) -> Record:
    if cell.opset < 17 and cell.exporter == "dynamo":
        message = f"dynamo does not honour opset {cell.opset} with the installed versions"
        return Record(cell=cell, requirement=name, outcome=Outcome.NOT_APPLICABLE, message=message)
    sizes = {"batch_size": [1, 2, 3, 6, 12], "sequence_length": [1, 2, 3, 8, 11, 14, 23, 28]}
    if name not in COMPARING:
        interface = {"model": _interface()} if name == "interface" else {}
        return Record(
            cell=cell, requirement=name, outcome=Outcome.PASSED, seconds=0.1, interface=interface
        )
    is_red = name == "agreement" and index % 50 == 0
    ratio = 3.0 if is_red else 0.1 + index % 7 / 10
    return Record(
        cell=cell,
        requirement=name,
        outcome=Outcome.FAILED if is_red else Outcome.PASSED,
        seconds=0.1,
        part="model",
        examples=38,
        covered=sizes,
        worst=Worst(
            output="logits",
            max_abs_diff=ratio * 1e-5,
            atol=1e-5,
            error_ratio=ratio,
            axes={"batch_size": 12, "sequence_length": 28},
            seed=index,
        ),
        needed_atol={"logits": ratio * 1e-5, "present.0.key": 1e-7, "present.0.value": 1e-7},
        message="values of logits: got a difference, expected none" * is_red,
        blame="exporter" if is_red else None,
        replay=f"python -m harness replay {cell} --requirement {name}" if is_red else None,
    )


@cache
def _interface() -> PartInterface:
    """Return the interface of a decoder with a cache of two layers."""
    ids, cache_type = "int64[batch_size, sequence_length]", "float32[batch_size, 4, length, 8]"
    kinds = [f"{layer}.{kind}" for layer in range(2) for kind in ("key", "value")]
    inputs = {"input_ids": ids} | {f"past_key_values.{kind}": cache_type for kind in kinds}
    outputs = {"logits": "float32[batch_size, sequence_length, 99]"} | {
        f"present.{kind}": cache_type for kind in kinds
    }
    sides = (
        [InterfaceValue(name=name, declared=text, actual=text) for name, text in side.items()]
        for side in (inputs, outputs)
    )
    return PartInterface(inputs=next(sides), outputs=next(sides))


def measure(count: int, folder: Path, browser: Any) -> PageCost:
    """Write the pages of a synthetic run, open the first one and filter it three times."""
    run = synthetic(count)
    start = time.perf_counter()
    page = write_page(run, folder)
    seconds = time.perf_counter() - start
    opens, filters = (None, None) if browser is None else _browse(page, browser)
    return PageCost(
        cells=count,
        seconds=seconds,
        first=page.stat().st_size,
        whole=sum(path.stat().st_size for path in folder.rglob("*.html")),
        opens=opens,
        filters=filters,
    )


def _browse(path: Path, browser: Any) -> tuple[float, float]:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    start = time.perf_counter()
    page.goto(path.as_uri())
    page.evaluate(PAINTED)
    opens = time.perf_counter() - start
    filters = max(page.evaluate(FILTER, text) for text in ("architecture-00", "opset18", ""))
    page.close()
    return opens, filters


def costs_of(sizes: Sequence[int]) -> list[PageCost]:
    """Return the costs for each size; without Playwright or a browser, without browser times."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            from playwright.sync_api import sync_playwright
        except ImportError:
            return [measure(count, Path(folder, str(count)), None) for count in sizes]
        path = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
        with sync_playwright() as playwright:
            found = path or Path(playwright.chromium.executable_path).exists()
            arguments = ["--no-sandbox", "--disable-gpu", "--no-first-run"]
            browser = (
                playwright.chromium.launch(executable_path=path, args=arguments) if found else None
            )
            return [measure(count, Path(folder, str(count)), browser) for count in sizes]


def table_of(costs: list[PageCost]) -> Table:
    table = Table(
        "cells", "write s", "first page kB", "all kB", "bytes per cell", "opens s", "filters s"
    )
    for cost in costs:
        browser = ("-" if value is None else f"{value:.2f}" for value in (cost.opens, cost.filters))
        sizes = (f"{cost.first / 1e3:,.0f}", f"{cost.whole / 1e3:,.0f}")
        each = f"{cost.whole / cost.cells:,.0f}"
        table.add_row(f"{cost.cells:,}", f"{cost.seconds:.1f}", *sizes, each, *browser)
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__spec__, __doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=SIZES)
    add_plot(parser)
    options = parser.parse_args(arguments)
    costs = costs_of(options.cells)
    console = make_console()
    console.print(table_of(costs))
    least, most = costs[0], costs[-1]
    console.print(
        f"{most.cells / least.cells:.0f} x the cells take {most.seconds / least.seconds:.1f} x the "
        f"seconds and {most.whole / least.whole:.1f} x the bytes"
    )
    for what, seconds in (("open", most.opens), ("filter", most.filters)):
        if seconds is not None:
            verdict = BAR.verdict(seconds)
            console.print(f"{most.cells:,} cells {what} in {seconds:.2f} s: {verdict}")
    if options.plot:
        curves = {
            "seconds to write": [(cost.cells, cost.seconds) for cost in costs],
            "megabytes": [(cost.cells, cost.whole / 1e6) for cost in costs],
        }
        bar = [(0, 0), (most.cells, most.cells * least.seconds / least.cells)]
        names = {"x": "cells", "y": "of all pages", "bar_name": "as at the first size"}
        plot(options.plot, curves, bar=bar, **names)


if __name__ == "__main__":
    main()
