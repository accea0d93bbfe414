"""The commands of `python -m reports`: each reads its input, calls one function and prints."""

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
from reports.merge import SourceRun, merge, write_run
from reports.other_pages import diff_page, write_trend
from reports.summary import summary_lines
from reports.survey import NO_SURVEY, read_survey
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
    """Turn run files into reports. torch and onnx need not be installed."""


@app.command("html")
def html(
    run: RunArgument,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="Folder for the pages (index.html)."),
    ],
    survey: Annotated[
        Path | None,
        typer.Option(
            "--survey",
            metavar="FILE",
            help="A survey (`scaffold --report FILE`) of the tasks that are not registered.",
        ),
    ] = None,
) -> None:
    """Write the HTML pages of a run. They have the matrix and the details of every cell."""
    run_directory = run if run.is_dir() else run.parent
    found = NO_SURVEY if survey is None else read_survey(survey)
    typer.echo(write_page(read_run(run), output, run_directory=run_directory, survey=found))


@app.command("merge")
def merge_runs(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="The shards of one run, and the runs that resumed it."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="New folder for the merged run.")
    ],
    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing", help="Merge although shards are missing, as an incomplete run."
        ),
    ] = False,
) -> None:
    """Merge the shards of one run. Writes the merged run file and its pages."""
    sources = [SourceRun(path, read_run(path)) for path in runs]
    merged = merge(sources, name=output.resolve().name, allow_missing=allow_missing)
    typer.echo(write_run(merged, output))
    typer.echo(write_page(merged, output))


@app.command("diff")
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The earlier run.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The later run.")],
    form: Annotated[Format, typer.Option("--format", help="The output format.")] = Format.TEXT,
    allow_different: Annotated[
        bool, typer.Option("--allow-different", help="Compare the runs although plans differ.")
    ] = False,
) -> int:
    """Show what changed between two runs. The exit status is 1 if a cell regressed or lost its
    verdict, or if only the new run is incomplete."""
    found = compare(read_run(old), read_run(new), allow_different=allow_different)
    typer.echo(diff_page(found) if form is Format.HTML else write_diff(found, form))
    return EXIT_REGRESSED if found.regressions or found.is_cut_short else 0


@app.command("summary")
def summary(
    run: RunArgument,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", metavar="OLD", help="An earlier run to compare.")
    ] = None,
) -> None:
    """Summarise a run in Markdown. Prints at most 20 lines, and appends them to the file
    $GITHUB_STEP_SUMMARY if that is set."""
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
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the badges.")
    ],
) -> None:
    """Write the badges of a run. There is one for the whole run, one per architecture and one per
    opset, each as JSON for shields.io and as SVG."""
    for path in write_badges(badges_of(read_run(run)), output):
        typer.echo(path)


@app.command("trend")
def trend(
    history: Annotated[
        Path,
        typer.Argument(metavar="HISTORY", help="An SQLite file; created if it does not exist."),
    ],
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN", help="Runs to add to the history.")
    ] = None,
    cell: Annotated[
        str | None,
        typer.Option(
            "--cell", metavar="GLOB", help="Show since when the matching cells are red or green."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Also write a page with charts."),
    ] = None,
) -> None:
    """Add runs to a history, and show how results changed over time."""
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
