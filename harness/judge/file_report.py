"""Run the requirements on the files of one model, and report them with the scope of the verdict."""

from __future__ import annotations

import dataclasses
import os
import shlex
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from harness.configs.config_modules import loaded_config_modules
from harness.errors import UsageError
from harness.judge.budget import default_budget
from harness.judge.observer import Observer
from harness.judge.profiles import PROFILES, Profile, get_profile
from harness.judge.scope import scope_of
from harness.records import CellId, CellReport, Record, Scope
from harness.requirements import requirement_ids
from harness.requirements.steps import all_ids, requirements_of, select_steps, step_ids

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.atol import Atol
    from harness.configs.base import OnnxConfig
    from harness.evidence.cell_files import Source
    from harness.evidence.costs import ExampleLimits
    from harness.evidence.example import Example
    from harness.judge.domain import Domain
    from harness.judge.prepared_cell import PreparedCell

GIB = 2**30
LARGEST_EXAMPLE = 4 * GIB
SMALLEST_EXAMPLE = GIB // 16
COPIES_OF_WEIGHTS = 4
"""Eager's weights, the weights of open sessions, and what loading a session holds besides."""

SHARE_OF_SESSIONS = 1 / 3
"""Of the whole memory, what the weights of open sessions may use: two sessions of most models."""

SHARE_OF_REST = 0.4
"""Of the memory beside the weights, what one example may use by its estimate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """Options of judging files.

    `atol` is a number, a mapping task -> number, or None to measure it. `budget` is the time for
    examples in seconds; None chooses it by the size of the model. `memory` is what the process may
    use in bytes; None means the free memory. With `strict_domain`, a requirement that did not reach
    every landmark of the model's domain is inconclusive. `min_top1` is the least share of the
    original model's choices that a file which is not float32 must make.
    """

    requirements: Sequence[str] | None = None
    atol: Atol | None = None
    seed: int = 0
    profile: Profile | str = "pr"
    strict_domain: bool = False
    budget: float | None = None
    memory: int | None = None
    min_top1: float | None = None
    observer: Observer = field(default_factory=Observer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The words of the commands that repeat a verdict, without the name of the program.

    `check` judges the files again. `without_example`, if given, is the command for failures that no
    example shows. `check` cannot repeat these after an export, which may have written no files, and
    whose files are judged more strictly than given ones.
    """

    check: Sequence[str]
    without_example: Sequence[str] | None = None

    def command(self, requirement: str, example: Example | None, options: FileOptions) -> str:
        """Return the command that repeats a verdict; seed and profile determine its examples."""
        modules = [word for m in loaded_config_modules() for word in ("--config-module", m)]
        if example is None and self.without_example is not None:
            return shlex.join(["python", "-m", "harness", *self.without_example, *modules])
        profile = get_profile(options.profile)
        words = ["python", "-m", "harness", *self.check, "--requirement", requirement]
        words += ["--seed", str(options.seed), "--profile", profile.name]
        if (usual := PROFILES.get(profile.name)) and usual.max_examples != profile.max_examples:
            words += ["--max-examples", str(profile.max_examples)]
        return shlex.join([*words, *modules])


def report_on_files(
    cell: CellId,
    *,
    model: nn.Module,
    config: OnnxConfig,
    source: Source,
    place: Path,
    replay: Replay,
    notes: Sequence[str],
    options: FileOptions,
) -> CellReport:
    """Judge the files at `place`, and return the records with the scope of the verdict.

    Files that are not float32 are judged in steps. `notes` say what the verdict does not cover.
    Raises UsageError if a tolerance is negative, not finite or has no entry for the task, or if the
    files have no requirement of a name that is asked for.
    """
    from harness.evidence.low_precision import LowPrecisionEvidence, is_low_precision
    from harness.judge.ladder import run_requirements
    from harness.judge.steps import Steps

    in_steps = is_low_precision(source.files)
    planned = _plan(get_profile(options.profile), options.requirements, in_steps=in_steps)
    prepared, measured = _prepare(
        cell, model=model, config=config, source=source, replay=replay, options=options
    )
    prepared = dataclasses.replace(
        prepared, requirements=requirements_of(planned) if in_steps else planned
    )
    with tempfile.TemporaryDirectory(prefix="onnx-conformance-") as twins:
        steps = None
        if in_steps:
            files = LowPrecisionEvidence(
                prepared.evidence, Path(twins), examples=measured, min_top1=options.min_top1
            )
            steps = Steps(prepared, files, planned)

        def scope() -> Scope:
            budget = steps.budget if steps else prepared.budget
            left_out = budget.note if budget is not None else None
            return scope_of(
                prepared.evidence,
                place,
                planned=planned,
                is_selection=options.requirements is not None,
                forms=steps.forms if steps else None,
                notes=(*notes, *([left_out] if left_out else [])),
            )

        running = steps.run() if steps else run_requirements(prepared)
        return _observed_report(prepared, planned, running, scope)


def _plan(profile: Profile, asked: Sequence[str] | None, *, in_steps: bool) -> Sequence[str]:
    """Return the ids of the records of a verdict. Raises UsageError for an unknown one."""
    if not in_steps:
        known = requirement_ids()
        for name in asked or ():
            if name in all_ids() and name not in known:
                raise UsageError(f"{name} is a step of files that are not float32; these are")
        return profile.plan(asked)
    planned = step_ids(profile.plan(None))
    return planned if asked is None else select_steps(asked, planned)


def _prepare(
    cell: CellId,
    *,
    model: nn.Module,
    config: OnnxConfig,
    source: Source,
    replay: Replay,
    options: FileOptions,
) -> tuple[PreparedCell, Sequence[Example]]:
    """Return a cell that is ready but for its plan, and the examples that measure tolerances."""
    from harness.evidence.evidence import Evidence
    from harness.evidence.open_sessions import CAPACITY, OpenSessions
    from harness.judge.domain import Domain
    from harness.judge.measured_tolerance import choose_tolerance
    from harness.judge.prepared_cell import PreparedCell
    from harness.judge.regressions import examples_for_cell

    domain = Domain.of(model, config)
    memory = psutil.virtual_memory().available if options.memory is None else options.memory
    domain = dataclasses.replace(domain, limits=_example_limits(domain, memory))
    budget = default_budget(domain.parameters) if options.budget is None else options.budget
    examples = examples_for_cell(
        cell,
        config.axis_space,
        count=get_profile(options.profile).max_examples,
        seed=options.seed,
        is_affordable=domain.allows,
    )
    measured = domain.to_measure(examples, seconds=budget)
    prepared = PreparedCell(
        cell=cell,
        evidence=Evidence(
            model=model,
            config=config,
            source=source,
            open_sessions=OpenSessions(max(CAPACITY, int(SHARE_OF_SESSIONS * memory))),
        ),
        requirements=(),
        examples=examples,
        domain=domain,
        tolerance_of=choose_tolerance(options.atol, measured, task=config.task),
        replay=lambda requirement, example: replay.command(requirement, example, options),
        strict_domain=options.strict_domain,
        budget_seconds=budget,
        observer=options.observer,
    )
    return prepared, measured


def _example_limits(domain: Domain, memory: int) -> ExampleLimits:
    """Return the limits of one example, from the memory that is left beside the model's weights."""
    rest = memory - COPIES_OF_WEIGHTS * 4 * domain.parameters - GIB // 2
    share = int(SHARE_OF_REST * rest)
    allowed = max(SMALLEST_EXAMPLE, min(share, LARGEST_EXAMPLE))
    return dataclasses.replace(domain.limits, memory=allowed)


def _observed_report(
    prepared: PreparedCell,
    planned: Sequence[str],
    running: Iterator[Record],
    scope: Callable[[], Scope],
) -> CellReport:
    """Judge. The observer gets the plan first, then each record; and the scope, also after the
    first record, since an export writes its files then.

    A large model uses all processors, a small one is quickest on one.
    """
    from harness.evidence.session import threads

    observer, records = prepared.observer, list[Record]()
    observer.plan(prepared.cell, planned)
    observer.scope(scope())
    with threads((os.cpu_count() or 1) if prepared.evidence.subject.copies.is_large else 1):
        for record in running:
            records.append(record)
            observer.record(record)
            if len(records) == 1:
                observer.scope(scope())
    final = scope()
    observer.scope(final)
    return CellReport(prepared.cell, tuple(records), final)
