"""`scaffold`: describes an architecture that behaves like a registered one."""

from __future__ import annotations

import importlib
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import ConfigModules, load_descriptions
from harness.cli.output import DOES_NOT_CONFORM, own_stdout, write_report
from harness.cli.scaffold_draft import Draft, draft_like, nearest, require_new
from harness.cli.scaffold_files import Place, find_place, write_new
from harness.cli.scaffold_text import fixture_text, module_text
from harness.records import CellId, CellReport


def scaffold(
    architecture: Annotated[
        str, typer.Argument(metavar="ARCHITECTURE", help="A model type of transformers.")
    ],
    *,
    like: Annotated[
        str | None,
        typer.Option(
            "--like",
            metavar="OTHER",
            help="The registered architecture to follow; by default the nearest that fits.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="DIR", help="Write here, not into the checkout."),
    ] = None,
    config_module: ConfigModules = None,
) -> int:
    """Write the config class and the tiny model of a new architecture, then judge a cell of it.

    Nothing is written where eager PyTorch does not accept what would be declared.
    """
    with own_stdout() as stdout:
        load_descriptions(config_module)
        require_new(architecture)
        place = find_place(architecture, output)
        draft, problems = _first_that_fits(architecture, [like] if like else nearest(architecture))
        if problems:
            for line in _refusal(draft, problems):
                typer.echo(line, file=stdout)
            return DOES_NOT_CONFORM
        standalone = place.folder is not None
        write_new(
            {
                place.module: module_text(draft, standalone=standalone),
                place.fixture: fixture_text(draft),
            }
        )
        for line in _next_steps(draft, place):
            typer.echo(line, file=stdout)
        stdout.flush()
        return write_report(_judge_one_cell(draft, place), stdout, as_json=False)


def _first_that_fits(architecture: str, patterns: Sequence[str]) -> tuple[Draft, list[str]]:
    """The draft that eager accepts, else the first one with what speaks against it."""
    from harness.cli.scaffold_trial import try_on_eager

    tried = []
    for like in patterns:
        draft, problems = try_on_eager(draft_like(architecture, like))
        tried.append((draft, problems))
        if not problems:
            return draft, problems
    return tried[0]


def _refusal(draft: Draft, problems: Sequence[str]) -> Iterator[str]:
    yield from problems
    yield (
        f"nothing was written: {draft.architecture} does not behave like {draft.like}; try another "
        f"--like, or describe it by hand as CONTRIBUTING.md shows"
    )


def _next_steps(draft: Draft, place: Place) -> Iterator[str]:
    yield from (f"wrote {path}" for path in place.files)
    yield from (f"note: {note}" for note in draft.notes)
    command = ["pytest", "--profile", "smoke", "--architecture", draft.architecture]
    if place.folder is None:
        yield f"run its cells:  {shlex.join(command)}"
    else:
        command[1:1] = ["--pyargs", "conformance", "-p", "harness.pytest_plugin"]
        command += ["--config-module", place.import_name]
        yield f"run its cells:  PYTHONPATH={shlex.quote(str(place.folder))} {shlex.join(command)}"
    yield f"open the files: $EDITOR {shlex.join(map(str, place.files))}"
    yield ""


def _judge_one_cell(draft: Draft, place: Place) -> CellReport:
    """The first task at the default opset, from the files that have been written."""
    from harness.exporters import resolve_auto
    from harness.judge import judge_cell

    importlib.invalidate_caches()
    if place.folder is None:
        importlib.import_module(place.import_name)
    else:
        sys.path.insert(0, str(place.folder))
        load_descriptions([place.import_name])
    opset = draft.parent.DEFAULT_ONNX_OPSET
    cell = CellId(
        architecture=draft.architecture,
        task=draft.tasks[0],
        opset=opset,
        exporter=resolve_auto(opset),
    )
    return judge_cell(cell)
