"""Judge one cell of the matrix: build the tiny model, export it, run the requirements."""

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

from harness.configs.config_modules import loaded_config_modules
from harness.configs.tasks import ConfigConstructor, TasksManager
from harness.errors import UsageError
from harness.evidence.fixtures import THRESHOLD, TinyModel
from harness.exporters import Exporter, get_exporter, why_not_honoured
from harness.judge.found_examples import load_found_examples, store_found_examples
from harness.judge.profiles import Profile, get_profile
from harness.records import CellId, CellReport, Outcome, Record

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.base import OnnxConfig
    from harness.evidence.example import Example
    from harness.evidence.facts import Facts
    from harness.judge.domain import Domain
    from harness.judge.prepared_cell import PreparedCell
    from harness.judge.shared_work import SharedWork

OnRecord = Callable[[Record], None]

CELLS_PER_SHARING_CHECK = 50
"""One in this many nightly cells is judged with and without shared work; the results must match."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRequest:
    """The arguments of `judge_cell`, with all names looked up."""

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
        """Whether failing examples are stored for later runs, and stored ones are judged again."""
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

    With `axes`, the only example has these sizes and the value seed `seed`. Otherwise the examples
    are the corners and the profile's drawn examples, from `seed`. `on_record` is called with each
    record as soon as it is ready. To judge several cells of a task, pass the same `work` to each,
    so that their common computations run once. Failing examples of the `expected` requirements,
    which are known failures, are not shrunk.

    Raises UsageError for an unknown cell, requirement or axis. Any other error of the cell becomes
    a record.
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
        store_found_examples(report, seed=request.seed)
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
) -> CellRequest:
    """Look up the arguments of `judge_cell`; raises UsageError for an unknown name."""
    chosen = get_profile(profile)
    planned = chosen.plan(requirements)
    return CellRequest(
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
    """Return the command that judges one requirement of a cell again.

    It runs on `example`, or on the examples that are drawn from `seed` if `example` is None.
    """
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


def _records(request: CellRequest) -> Iterator[Record]:
    from harness.judge.ladder import repeat_outcome, run_requirements

    try:
        reason = why_not_applicable(request)
        if reason is None:
            with prepare_cell(request) as prepared:
                yield from run_requirements(prepared)
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
    yield from repeat_outcome(
        request.cell, request.requirements, outcome=outcome, message=reason, trace=trace
    )


def why_not_applicable(request: CellRequest) -> str | None:
    """Return why the exporter does not honour the opset of the cell; None if it does."""
    return why_not_honoured(request.exporter, request.cell.opset)


@contextlib.contextmanager
def prepare_cell(request: CellRequest) -> Iterator[PreparedCell]:
    """Prepare the tiny model of a cell for its export into a temporary folder."""
    from harness.evidence.cell_files import Source
    from harness.evidence.evidence import Evidence
    from harness.evidence.models import read_tiny, tiny_model
    from harness.evidence.session import single_thread
    from harness.exporters._sharing import with_shared_traces
    from harness.judge.domain import Domain
    from harness.judge.measured_tolerance import measured_on, tolerance_of_tiny
    from harness.judge.prepared_cell import PreparedCell

    cell = request.cell
    model = tiny_model(cell.architecture, cell.task, cell.variant)
    config = request.constructor(model.config)
    config.external_data_threshold = read_tiny(cell.architecture, cell.variant).get(THRESHOLD)
    tolerance = tolerance_of_tiny(TinyModel(cell.architecture, cell.variant), config)
    if tolerance is not None:
        config.atol = tolerance.largest
    checks_sharing = _checks_sharing(request)
    facts = _facts(request, model, config, checks_sharing=checks_sharing)
    domain = Domain.of(model, config)
    examples = _examples(request, domain)
    with tempfile.TemporaryDirectory(prefix="onnx-conformance-") as directory, single_thread():
        traces = request.work.traces if request.work else None
        exporter = with_shared_traces(request.exporter, traces)
        needs_unshared = checks_sharing and exporter is not request.exporter
        source = Source(
            exporter=exporter,
            unshared_exporter=request.exporter if needs_unshared else None,
            opset=cell.opset,
            directory=Path(directory),
        )
        yield PreparedCell(
            cell=cell,
            evidence=Evidence(
                model=model, config=config, source=source, facts=facts, judges_description=True
            ),
            requirements=request.requirements,
            examples=examples,
            domain=domain,
            tolerance_of=(
                measured_on(_drawn_examples(request, domain))
                if tolerance is None
                else lambda _: tolerance
            ),
            replay=lambda requirement, example: replay_command(cell, requirement, example),
            expected=request.expected,
            is_replay=request.axes is not None,
        )


def _facts(
    request: CellRequest, model: nn.Module, config: OnnxConfig, *, checks_sharing: bool
) -> Facts | None:
    """Return the facts that cells of the same model share; None without shared work."""
    from harness.evidence.facts import RecomputedFacts

    if request.work is None:
        return None
    facts = request.work.facts.facts_for(model, config)
    return RecomputedFacts(facts) if checks_sharing else facts


def _checks_sharing(request: CellRequest) -> bool:
    """Whether this cell is judged with and without shared work; drawn by seed and cell id."""
    draw = random.Random(f"{request.seed}/{request.cell}")
    return request.profile.exports_again and draw.randrange(CELLS_PER_SHARING_CHECK) == 0


def _examples(request: CellRequest, domain: Domain) -> list[Example]:
    from harness.evidence.example import Example

    space = domain.config.axis_space
    if request.axes is not None:
        return [Example.of(space.complete(request.axes), request.seed)]
    drawn = _drawn_examples(request, domain)
    if not request.keeps_examples:
        return drawn
    found = load_found_examples(request.cell, space, seed=request.seed)
    return list(dict.fromkeys([*drawn, *found]))


def _drawn_examples(request: CellRequest, domain: Domain) -> list[Example]:
    """Return the examples that seed and profile decide; tolerances are measured on them alone."""
    from harness.judge.regressions import examples_for_cell

    return examples_for_cell(
        request.cell,
        domain.config.axis_space,
        count=request.profile.max_examples,
        seed=request.seed,
        is_affordable=domain.allows,
    )
