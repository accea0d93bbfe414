"""`scaffold`: writes the description of an architecture that behaves like a registered one."""

from __future__ import annotations

import importlib
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import ConfigModules, load_descriptions
from harness.cli.output import DOES_NOT_CONFORM, clean_stdout, write_report
from harness.cli.scaffold_draft import Draft, draft_like, nearest, require_new, with_one_width
from harness.cli.scaffold_files import ScaffoldPaths, choose_paths, write_new
from harness.cli.scaffold_report import summary_lines, survey, undescribed_pairs
from harness.cli.scaffold_text import fixture_text, module_text
from harness.configs.left_out import reasons_left_out
from harness.errors import UsageError
from harness.records import CellId, CellReport


def scaffold(
    architecture: Annotated[
        str | None, typer.Argument(metavar="ARCHITECTURE", help="Model type in transformers.")
    ] = None,
    *,
    like: Annotated[
        str | None,
        typer.Option(
            "--like",
            metavar="OTHER",
            help="Registered architecture to copy from; default: the most similar that fits.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="DIR", help="Write to this folder instead of the checkout."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE",
            help="Examine all architectures without a description instead, one line each.",
        ),
    ] = None,
    sample: Annotated[
        int | None, typer.Option("--sample", metavar="N", min=1, help="Examine N pairs only.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Chooses the order of the pairs.")] = 0,
    config_module: ConfigModules = None,
) -> int:
    """Describe a new architecture, then judge a cell of it.

    Writes the config class and the tiny model. Nothing is written if eager PyTorch does not agree
    with the description.

    With `--report`, writes how far a tiny model and a feed are found by rules for each architecture
    and task without a description. An interrupted report goes on where it ended.
    """
    if (report is None) == (architecture is None):
        raise UsageError("scaffold: give either an ARCHITECTURE or --report FILE")
    with clean_stdout() as stdout:
        load_descriptions(config_module)
        if report is not None:
            for text in _report(report, sample, seed):
                typer.echo(text, file=stdout)
            return 0
        assert architecture is not None
        require_new(architecture)
        paths = choose_paths(architecture, output)
        patterns = [like] if like else nearest(architecture)
        draft, problems = _first_fitting_draft(architecture, patterns)
        if problems:
            for line in _refusal_lines(draft, problems, patterns):
                typer.echo(line, file=stdout)
            return DOES_NOT_CONFORM
        standalone = paths.folder is not None
        write_new(
            {
                paths.module: module_text(draft, standalone=standalone),
                paths.fixture: fixture_text(draft),
            }
        )
        for line in _next_steps(draft, paths):
            typer.echo(line, file=stdout)
        stdout.flush()
        return write_report(_judge_one_cell(draft, paths), stdout, as_json=False)


def _report(path: Path, sample: int | None, seed: int) -> Iterator[str]:
    """Examine all pairs without a description, and yield the lines of the summary."""
    pairs = undescribed_pairs(sample, seed)
    lines = []
    for number, line in enumerate(survey(pairs, path), start=1):
        pair = f"{line['architecture']} {line['task']}"
        typer.echo(f"{number}/{len(pairs)} {pair}: {line['stage']}", err=True)
        lines.append(line)
    yield from summary_lines(lines)


def _first_fitting_draft(architecture: str, patterns: Sequence[str]) -> tuple[Draft, list[str]]:
    """Return the first draft that eager agrees with, else the first draft with its problems."""
    from harness.cli.scaffold_trial import try_on_eager

    tried = []
    for like in patterns:
        draft, problems = try_on_eager(draft_like(architecture, like))
        tried.append((draft, problems))
        if problems and (other := with_one_width(draft)) is not None:
            draft, problems = try_on_eager(other)
        if not problems:
            return draft, problems
    return tried[0]


def _refusal_lines(draft: Draft, problems: Sequence[str], tried: Sequence[str]) -> Iterator[str]:
    yield from problems
    if reason := reasons_left_out().get(draft.architecture):
        yield f"{draft.architecture} is left out so far: {reason}"
    yield (
        f"nothing was written: {draft.architecture} does not behave like {' or '.join(tried)}; try "
        f"another --like, or write the description by hand (see CONTRIBUTING.md)"
    )


def _next_steps(draft: Draft, paths: ScaffoldPaths) -> Iterator[str]:
    yield from (f"wrote {path}" for path in paths.files)
    yield from (f"note: {note}" for note in draft.notes)
    command = ["pytest", "--profile", "smoke", "--architecture", draft.architecture]
    if paths.folder is None:
        yield f"run its cells:  {shlex.join(command)}"
    else:
        command[1:1] = ["--pyargs", "conformance", "-p", "harness.pytest_plugin"]
        command += ["--config-module", paths.import_name]
        yield f"run its cells:  PYTHONPATH={shlex.quote(str(paths.folder))} {shlex.join(command)}"
    yield f"open the files: $EDITOR {shlex.join(map(str, paths.files))}"
    yield ""


def _judge_one_cell(draft: Draft, paths: ScaffoldPaths) -> CellReport:
    """Judge the first task at the default opset, from the written files."""
    from harness.exporters import resolve_auto
    from harness.judge import judge_cell

    importlib.invalidate_caches()
    if paths.folder is None:
        importlib.import_module(paths.import_name)
    else:
        sys.path.insert(0, str(paths.folder))
        load_descriptions([paths.import_name])
    opset = draft.parent.DEFAULT_ONNX_OPSET
    cell = CellId(
        architecture=draft.architecture,
        task=draft.tasks[0],
        opset=opset,
        exporter=resolve_auto(opset),
    )
    return judge_cell(cell)
