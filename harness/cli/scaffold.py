"""`scaffold`: finds the description of an architecture by experiment, and writes it."""

from __future__ import annotations

import shlex
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import ConfigModules, load_descriptions
from harness.cli.output import DOES_NOT_CONFORM, clean_stdout
from harness.cli.scaffold_draft import (
    Draft,
    Finding,
    choose_tasks,
    known_fixture,
    require_new,
)
from harness.cli.scaffold_files import ScaffoldPaths, choose_paths, write_new
from harness.cli.scaffold_report import summary_lines, survey, undescribed_pairs
from harness.cli.scaffold_text import fixture_text, module_text
from harness.configs.base import OnnxConfig
from harness.configs.left_out import reasons_left_out
from harness.errors import HarnessError, UsageError, one_line
from harness.matrix.names import select
from harness.records import CellReport

if TYPE_CHECKING:
    from harness.inference.proposal import Step

OPSET = OnnxConfig.DEFAULT_ONNX_OPSET


def scaffold(
    architecture: Annotated[
        str | None, typer.Argument(metavar="ARCHITECTURE", help="Model type in transformers.")
    ] = None,
    *,
    task: Annotated[
        list[str] | None,
        typer.Option("--task", metavar="T", help="A task; default: all that transformers has."),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            "--like",
            metavar="OTHER",
            help="Registered architecture to follow; default: the most similar that fits.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="DIR", help="Write to this folder instead of the checkout."
        ),
    ] = None,
    exporter: Annotated[
        str | None,
        typer.Option("--exporter", metavar="E", help="Exporters to judge: globs, comma-separated."),
    ] = None,
    any_exporter: Annotated[
        bool,
        typer.Option(
            "--any-exporter",
            help="Judge with one exporter after the other, and stop when a task conforms.",
        ),
    ] = False,
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            metavar="STEP",
            help="Stop after configuration, feed, axes, cache or reactions; nothing is written.",
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
    """Find the description of a new architecture by experiment, write it, and judge cells of it.

    Each step is shown with its result: a tiny configuration, a feed, the axes, the cache and the
    reactions of the model. The description is a row if a registered one says the same, else a
    class. Nothing is written while a question is open, an input moves nothing, or eager PyTorch
    does not agree with the description.

    With `--report`, writes how far the steps get for each architecture and task without a
    description, and what stops them. An interrupted report goes on where it ended.
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
        last = _step(until)
        require_new(architecture, task or ())
        paths = choose_paths(architecture, output)
        tasks = choose_tasks(architecture, task or (), like)
        from harness.evidence.session import single_thread
        from harness.exporters import exporter_names

        chosen = select(exporter, exporter_names(), subject="exporter")
        status = 0
        with single_thread():  # two threads make a tiny model slower, and wait if a core is busy
            for line in _scaffold(
                architecture,
                tasks,
                like=like,
                last=last,
                paths=paths,
                exporters=chosen,
                is_any_enough=any_exporter,
            ):
                if isinstance(line, int):
                    status = line
                else:
                    typer.echo(line, file=stdout)
                    stdout.flush()
        return status


def _step(name: str | None) -> Step | None:
    from harness.inference.proposal import Step

    if name is None:
        return None
    known = {step.value: step for step in Step}
    if name not in known:
        raise UsageError(f"--until: got {name!r}, expected one of {', '.join(known)}")
    return known[name]


def _scaffold(
    architecture: str,
    tasks: Sequence[str],
    *,
    like: str | None,
    last: Step | None,
    paths: ScaffoldPaths,
    exporters: Sequence[str],
    is_any_enough: bool,
) -> Iterator[str | int]:
    """Yield the lines of all steps, and the exit status at last."""
    findings: list[Finding] = []
    for task in tasks:
        yield f"{architecture}/{task}"
        try:
            findings.append((yield from _find(architecture, task, like=like, last=last)))
        except HarnessError as error:
            yield f"  stopped: {one_line(error)}"
    if last is not None:
        yield 0 if findings else DOES_NOT_CONFORM
        return
    clear = [one for one in findings if not one.obstacles]
    for one in findings:
        yield from (f"{one.task}: {obstacle}" for obstacle in one.obstacles)
    if not clear or len(clear) < len(tasks):
        yield from _refusal_lines(architecture, [t for t in tasks if t not in _tasks(clear)], clear)
        yield DOES_NOT_CONFORM
        return
    yield from _write_and_try(
        Draft(architecture=architecture, findings=clear, known=known_fixture(architecture)),
        paths,
        exporters,
        is_any_enough=is_any_enough,
    )


def _tasks(findings: Sequence[Finding]) -> list[str]:
    return [one.task for one in findings]


def _find(
    architecture: str, task: str, *, like: str | None, last: Step | None
) -> Generator[str, None, Finding]:
    """Yield a line for each result of each step, and return what was found."""
    from harness.cli.scaffold_steps import step_lines
    from harness.inference.comparison.likeness import describe_differences, find_like
    from harness.inference.description import describe
    from harness.inference.proposal import Step, infer_by_steps

    for step, found in infer_by_steps(architecture, task, last or Step.REACTIONS):
        yield from (f"  {line}" for line in step_lines(step, found))
    likeness = tables = None
    if last is None and not found.obstacles:
        likeness = find_like(found, like)
        if likeness is not None:
            yield from (f"  {line}" for line in describe_differences(likeness))
        if likeness is not None and likeness.tasks:
            yield f"  {' and '.join(likeness.tasks)}: the same as {likeness.described.__name__}"
        else:
            yield "  no registered description says the same; a class is written"
            tables = describe(found)
    return Finding(proposal=found, likeness=likeness, tables=tables)


def _write_and_try(
    draft: Draft, paths: ScaffoldPaths, exporters: Sequence[str], *, is_any_enough: bool
) -> Iterator[str | int]:
    from harness.cli.scaffold_summary import (
        Trial,
        conforms_somehow,
        judge_kinds,
        register_written,
        store_tolerances,
        summary_lines,
    )
    from harness.cli.scaffold_trial import try_on_eager

    trial = Trial.of(OPSET, exporters, is_any_enough=is_any_enough)
    draft, problems = try_on_eager(draft)
    if problems:
        yield from problems
        yield from _refusal_lines(draft.architecture, list(draft.tasks), [])
        yield DOES_NOT_CONFORM
        return
    write_new(
        {
            paths.module: module_text(draft, standalone=paths.folder is not None),
            paths.fixture: fixture_text(draft),
        }
    )
    yield from _next_steps(draft, paths)
    register_written(paths)
    without_file = yield from store_tolerances(draft, trial)
    reports: list[CellReport] = []
    for report in judge_kinds(draft, trial, without_file):
        reports.append(report)
        yield from summary_lines([report])
    yield from _to_read(draft, paths, reports)
    yield 0 if conforms_somehow(reports) else DOES_NOT_CONFORM


def _report(path: Path, sample: int | None, seed: int) -> Iterator[str]:
    """Examine all pairs without a description, and yield the lines of the summary."""
    pairs = undescribed_pairs(sample, seed)
    lines = []
    for number, line in enumerate(survey(pairs, path), start=1):
        pair = f"{line['architecture']} {line['task']}"
        typer.echo(f"{number}/{len(pairs)} {pair}: {line['stage']}", err=True)
        lines.append(line)
    yield from summary_lines(lines)


def _refusal_lines(
    architecture: str, blocked: Sequence[str], clear: Sequence[Finding]
) -> Iterator[str]:
    if reason := reasons_left_out().get(architecture):
        yield f"{architecture} is left out so far: {reason}"
    others = "".join(f" --task {one.task}" for one in clear)
    advice = f"the other tasks can be written with{others}" if others else "describe it by hand"
    yield (
        f"nothing was written: {', '.join(blocked)} of {architecture} cannot be described without "
        f"a person; {advice} (see CONTRIBUTING.md)"
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


def _to_read(draft: Draft, paths: ScaffoldPaths, reports: Sequence[CellReport]) -> Iterator[str]:
    """Yield what a person should read before committing."""
    green = sum(report.conforms for report in reports)
    yield f"{green} of {len(reports)} cells conform"
    yield f"read before committing: {paths.module}"
    if draft.tabled:
        yield "  the sizes of axes, and the numbers in expressions: which settings do they follow?"
    if draft.notes:
        yield "  the notes above the description: is what was left out right?"
    if green < len(reports):
        yield "  the red cells: add a finding to fixtures/expectations, or correct the description"
