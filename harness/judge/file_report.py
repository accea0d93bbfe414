"""Run the requirements on the files of one model, and report them with the scope of the verdict."""

from __future__ import annotations

import dataclasses
import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from harness.configs.config_modules import loaded_config_modules
from harness.judge.budget import default_budget
from harness.judge.observer import Observer
from harness.judge.profiles import PROFILES, Profile, get_profile
from harness.judge.scope import scope_of
from harness.records import CellId, CellReport, Record, Scope

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
    every landmark of the model's domain is inconclusive.
    """

    requirements: Sequence[str] | None = None
    atol: Atol | None = None
    seed: int = 0
    profile: Profile | str = "pr"
    strict_domain: bool = False
    budget: float | None = None
    memory: int | None = None
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
    """Run the requirements on the files at `place`, and return their records with their scope.

    `notes` say what the verdict does not cover. Raises UsageError if a tolerance is negative, not
    finite or has no entry for the task.
    """
    from harness.evidence.evidence import Evidence
    from harness.evidence.open_sessions import CAPACITY, OpenSessions
    from harness.judge.domain import Domain
    from harness.judge.measured_tolerance import choose_tolerance
    from harness.judge.prepared_cell import PreparedCell
    from harness.judge.regressions import examples_for_cell

    profile = get_profile(options.profile)
    domain = Domain.of(model, config)
    memory = psutil.virtual_memory().available if options.memory is None else options.memory
    domain = dataclasses.replace(domain, limits=_example_limits(domain, memory))
    budget = default_budget(domain.parameters) if options.budget is None else options.budget
    examples = examples_for_cell(
        cell,
        config.axis_space,
        count=profile.max_examples,
        seed=options.seed,
        is_affordable=domain.allows,
    )
    prepared = PreparedCell(
        cell=cell,
        evidence=Evidence(
            model=model,
            config=config,
            source=source,
            open_sessions=OpenSessions(max(CAPACITY, int(SHARE_OF_SESSIONS * memory))),
        ),
        requirements=profile.plan(options.requirements),
        examples=examples,
        domain=domain,
        tolerance_of=choose_tolerance(
            options.atol, domain.to_measure(examples, seconds=budget), task=config.task
        ),
        replay=lambda requirement, example: replay.command(requirement, example, options),
        strict_domain=options.strict_domain,
        budget_seconds=budget,
        observer=options.observer,
    )

    def scope() -> Scope:
        left_out = prepared.budget.note if prepared.budget is not None else None
        return scope_of(
            prepared.evidence,
            place,
            planned=prepared.requirements,
            is_selection=options.requirements is not None,
            notes=(*notes, *([left_out] if left_out else [])),
        )

    return _observed_report(prepared, scope)


def _example_limits(domain: Domain, memory: int) -> ExampleLimits:
    """Return the limits of one example, from the memory that is left beside the model's weights."""
    rest = memory - COPIES_OF_WEIGHTS * 4 * domain.parameters - GIB // 2
    share = int(SHARE_OF_REST * rest)
    allowed = max(SMALLEST_EXAMPLE, min(share, LARGEST_EXAMPLE))
    return dataclasses.replace(domain.limits, memory=allowed)


def _observed_report(prepared: PreparedCell, scope: Callable[[], Scope]) -> CellReport:
    """Run the requirements. The observer gets the plan first, then each record; and the scope, also
    after the first record, since an export writes its files then.

    A large model uses all processors, a small one is quickest on one.
    """
    from harness.evidence.session import threads
    from harness.judge.ladder import run_requirements

    observer, records = prepared.observer, list[Record]()
    observer.plan(prepared.cell, prepared.requirements)
    observer.scope(scope())
    with threads((os.cpu_count() or 1) if prepared.evidence.subject.copies.is_large else 1):
        for record in run_requirements(prepared):
            records.append(record)
            observer.record(record)
            if len(records) == 1:
                observer.scope(scope())
    final = scope()
    observer.scope(final)
    return CellReport(prepared.cell, tuple(records), final)
