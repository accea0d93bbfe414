"""The commands of `python -m reports`: they read, call one function each, and print."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from harness.records import read_run
from reports.badges import badges_of, write_badges
from reports.diff import compare
from reports.diff_output import Format, write_diff
from reports.history import open_history
from reports.html import write_page
from reports.merge import Source, merge, write_run
from reports.other_pages import diff_page, write_trend
from reports.summary import summary_lines
from reports.trend import to_json, trend_lines, trend_of

EXIT_REGRESSED = 1
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"

app = typer.Typer(
    name="reports",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RunArgument = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run directory or its run.jsonl.")
]


@app.callback()
def reports() -> None:
    """Turn run files into reports; needs neither torch nor onnx."""


@app.command("html")
def html(
    run: RunArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the page, index.html.")
    ],
) -> None:
    """Write one self-contained page: the matrix, and what is behind each of its cells."""
    typer.echo(write_page(read_run(run), output, beside=run if run.is_dir() else run.parent))


@app.command("merge")
def merge_runs(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="The shards of one run, and what resumed them."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the merged run.")
    ],
    allow_missing: Annotated[
        bool,
        typer.Option("--allow-missing", help="Merge without all shards; the run is incomplete."),
    ] = False,
) -> None:
    """Join the shards of one run into the run that they are, and write its page."""
    sources = [Source(path, read_run(path)) for path in runs]
    merged = merge(sources, name=output.resolve().name, allow_missing=allow_missing)
    typer.echo(write_run(merged, output))
    typer.echo(write_page(merged, output))


@app.command("diff")
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The run to compare with.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The run to judge.")],
    form: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.TEXT,
    allow_different: Annotated[
        bool, typer.Option("--allow-different", help="Compare runs of different plans, too.")
    ] = False,
) -> int:
    """Say what changed between two runs; the exit status is 1 where something regressed, or where
    the new run was cut short."""
    found = compare(read_run(old), read_run(new), allow_different=allow_different)
    typer.echo(diff_page(found) if form is Format.HTML else write_diff(found, form))
    return EXIT_REGRESSED if found.regressions or found.is_cut_short else 0


@app.command("summary")
def summary(
    run: RunArgument,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", metavar="OLD", help="The run to compare with.")
    ] = None,
) -> None:
    """Print a run in at most 20 lines of Markdown, and append them to $GITHUB_STEP_SUMMARY."""
    old = None if baseline is None else read_run(baseline)
    text = "".join(f"{line}\n" for line in summary_lines(read_run(run), old))
    if path := os.environ.get(STEP_SUMMARY):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")
    typer.echo(text, nl=False)


@app.command("badges")
def badges(
    run: RunArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the badges.")
    ],
) -> None:
    """Write badges of the project, each architecture and opset: for shields.io, and as images."""
    for path in write_badges(badges_of(read_run(run)), output):
        typer.echo(path)


@app.command("trend")
def trend(
    history: Annotated[
        Path, typer.Argument(metavar="HISTORY", help="An SQLite file, made where it is missing.")
    ],
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN", help="Runs to take in.")
    ] = None,
    cell: Annotated[
        str | None,
        typer.Option("--cell", metavar="GLOB", help="Say since when these cells are red or green."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write a page with charts, too."),
    ] = None,
) -> None:
    """Take runs into a history, and say how they went and since when."""
    new = [read_run(path) for path in runs or ()]
    with open_history(history, writable=bool(new)) as opened:
        for run in new:
            opened.add(run)
        found = trend_of(opened, cell=cell)
    if output is not None:
        write_trend(found, output)
    lines = [json.dumps(to_json(found), indent=2)] if as_json else trend_lines(found)
    for line in lines:
        typer.echo(line)
