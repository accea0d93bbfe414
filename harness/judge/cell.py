"""Judging one cell of the matrix: tiny model, exporter, ladder."""

from __future__ import annotations

import contextlib
import random
import shlex
import tempfile
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.configs.plugins import loaded_config_modules
from harness.configs.tasks import ConfigConstructor, TasksManager
from harness.errors import UsageError
from harness.evidence.fixtures import THRESHOLD
from harness.exporters import Exporter, get_exporter, why_not_honoured
from harness.judge.found_examples import found_examples, keep_found
from harness.judge.profiles import Profile, get_profile
from harness.records import CellId, CellReport, Outcome, Record

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.base import OnnxConfig
    from harness.evidence.facts import Facts
    from harness.evidence.sides import Example
    from harness.judge.ladder import Judgement
    from harness.judge.shared_work import SharedWork

OnRecord = Callable[[Record], None]

CELLS_FOR_ONE_PROOF = 50
"""Of so many cells of a nightly, one is judged with shared work and without, to be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked about a cell, looked up."""

    cell: CellId
    constructor: ConfigConstructor
    exporter: Exporter
    requirements: Sequence[str]
    profile: Profile
    seed: int
    axes: Mapping[str, int] | None
    work: SharedWork | None
    expected: Collection[str]

    @property
    def keeps_examples(self) -> bool:
        """Whether what fails is kept for later runs, and what those kept is judged."""
        return self.profile.keeps_examples and self.axes is None


def judge_cell(
    cell: CellId,
    *,
    requirements: Sequence[str] | None = None,
    profile: Profile | str = "pr",
    seed: int = 0,
    axes: Mapping[str, int] | None = None,
    on_record: OnRecord | None = None,
    work: SharedWork | None = None,
    expected: Collection[str] = (),
) -> CellReport:
    """Export the tiny model of a cell and judge the result.

    With `axes`, only the example of these sizes and of the value seed `seed` is judged, else the
    corners and what the profile draws from `seed`. `on_record` gets each record as soon as it is
    known. Who judges several cells of a task gives each of them the same `work`, so that what they
    have in common is done once. What fails of the requirements that are `expected` to fail
    is not made small. Raises UsageError for a cell, a requirement or axes
    that do not exist; whatever the cell itself does becomes a record.
    """
    request = make_request(
        cell,
        requirements=requirements,
        profile=profile,
        seed=seed,
        axes=axes,
        work=work,
        expected=expected,
    )
    records: list[Record] = []
    for record in _records(request):
        records.append(record)
        if on_record is not None:
            on_record(record)
    report = CellReport(cell, tuple(records))
    if request.keeps_examples:
        keep_found(report, seed=request.seed)
    return report


def make_request(
    cell: CellId,
    *,
    requirements: Sequence[str] | None,
    profile: Profile | str,
    seed: int,
    axes: Mapping[str, int] | None = None,
    work: SharedWork | None = None,
    expected: Collection[str] = (),
) -> Request:
    """The arguments of `judge_cell`, looked up; raises UsageError for what does not exist."""
    chosen = get_profile(profile)
    planned = chosen.plan(requirements)
    return Request(
        cell=cell,
        constructor=TasksManager.get_exporter_config_constructor(
            "onnx", model_type=cell.architecture, task=cell.task
        ),
        exporter=get_exporter(cell.exporter),
        requirements=planned,
        profile=chosen,
        seed=seed,
        axes=axes,
        work=work,
        expected=expected,
    )


def replay_command(
    cell: CellId, requirement: str, example: Example | None, *, seed: int | None = None
) -> str:
    """The command that judges one requirement of a cell again, on one example where it has one,
    else on those that follow from `seed`."""
    words = ["python", "-m", "harness", "replay", str(cell), "--requirement", requirement]
    if example is not None:
        if example.sizes:
            words += ["--axes", ",".join(f"{name}={size}" for name, size in example.sizes)]
        seed = example.seed
    if seed is not None:
        words += ["--seed", str(seed)]
    for module in loaded_config_modules():
        words += ["--config-module", module]
    return shlex.join(words)


def _records(request: Request) -> Iterator[Record]:
    from harness.judge.ladder import climb, without_judging

    try:
        reason = why_not_applicable(request)
        if reason is None:
            with prepared(request) as judgement:
                yield from climb(judgement)
            return
        outcome, trace = Outcome.NOT_APPLICABLE, ""
    except Exception as error:
        if request.axes is not None and isinstance(error, UsageError):
            raise
        reason = (
            f"cell: got {type(error).__name__}: {error}, expected a tiny model to judge "
            f"[{request.cell}]"
        )
        outcome, trace = Outcome.ERRORED, traceback.format_exc()
    yield from without_judging(
        request.cell, request.requirements, outcome=outcome, message=reason, trace=trace
    )


def why_not_applicable(request: Request) -> str | None:
    """Why the cell is not there to be judged; None where it is."""
    first = request.constructor.resolve().MIN_OPSET
    if request.cell.opset < first:
        return f"{request.cell.architecture} is described from opset {first} on"
    return why_not_honoured(request.exporter, request.cell.opset)


@contextlib.contextmanager
def prepared(request: Request) -> Iterator[Judgement]:
    """The tiny model and its description, ready to be exported into a folder that goes away."""
    from harness.evidence.evidence import Evidence, Source
    from harness.evidence.models import read_tiny, tiny_model
    from harness.evidence.session import single_thread
    from harness.exporters._sharing import sharing
    from harness.judge.ladder import Judgement

    cell = request.cell
    model = tiny_model(cell.architecture, cell.task, cell.variant)
    config = request.constructor(model.config)
    config.external_data_threshold = read_tiny(cell.architecture, cell.variant).get(THRESHOLD)
    is_proved = _proves_sharing(request)
    facts = _facts(request, model, config, is_proved=is_proved)
    examples = _examples(request, config)
    with tempfile.TemporaryDirectory(prefix="onnx-conformance-") as directory, single_thread():
        exporter = sharing(request.exporter, request.work.traces if request.work else None)
        source = Source(
            exporter=exporter,
            alone=request.exporter if is_proved and exporter is not request.exporter else None,
            opset=cell.opset,
            directory=Path(directory),
        )
        yield Judgement(
            cell=cell,
            evidence=Evidence(model=model, config=config, source=source, facts=facts),
            requirements=request.requirements,
            examples=examples,
            atol=config.atol,
            replay=lambda requirement, example: replay_command(cell, requirement, example),
            expected=request.expected,
        )


def _facts(
    request: Request, model: nn.Module, config: OnnxConfig, *, is_proved: bool
) -> Facts | None:
    """What other cells know of the same model, if anyone keeps it."""
    from harness.evidence.facts import ProvedFacts

    if request.work is None:
        return None
    facts = request.work.facts.of(model, config)
    return ProvedFacts(facts) if is_proved else facts


def _proves_sharing(request: Request) -> bool:
    """Whether this cell, one of many by its seed and name, is judged in both ways."""
    draw = random.Random(f"{request.seed}/{request.cell}")
    return request.profile.exports_again and draw.randrange(CELLS_FOR_ONE_PROOF) == 0


def _examples(request: Request, config: OnnxConfig) -> list[Example]:
    from harness.evidence.sides import Example
    from harness.judge.regressions import examples_of

    space = config.axis_space
    if request.axes is None:
        count = request.profile.max_examples
        chosen = examples_of(request.cell, space, count=count, seed=request.seed)
        if not request.keeps_examples:
            return chosen
        found = found_examples(request.cell, space, seed=request.seed)
        return list(dict.fromkeys([*chosen, *found]))
    return [Example.of(space.complete(request.axes), request.seed)]
