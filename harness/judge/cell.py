"""Judging one cell of the matrix: tiny model, exporter, ladder."""

from __future__ import annotations

import shlex
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.configs.plugins import loaded_config_modules
from harness.configs.tasks import ConfigConstructor, TasksManager
from harness.errors import UsageError
from harness.exporters import Exporter, get_exporter
from harness.judge.profiles import Profile, get_profile
from harness.records import CellId, CellReport, Outcome, Record
from harness.requirements import check_requirement_ids, requirement_ids

if TYPE_CHECKING:
    from harness.evidence.evidence import Example

OnRecord = Callable[[Record], None]


def judge_cell(
    cell: CellId,
    *,
    requirements: Sequence[str] | None = None,
    profile: Profile | str = "pr",
    seed: int = 0,
    axes: Mapping[str, int] | None = None,
    on_record: OnRecord | None = None,
) -> CellReport:
    """Export the tiny model of a cell and judge the result.

    With `axes`, only the example of these sizes and of the value seed `seed` is judged, else the
    corners and what the profile draws from `seed`. `on_record` gets each record as soon as it is
    known. Raises UsageError for a cell, a requirement or axes that do not exist; whatever the
    cell itself does becomes a record.
    """
    planned = list(requirements) if requirements is not None else requirement_ids()
    check_requirement_ids(planned)
    chosen = get_profile(profile) if isinstance(profile, str) else profile
    constructor = TasksManager.get_exporter_config_constructor(
        "onnx", model_type=cell.architecture, task=cell.task
    )
    exporter = get_exporter(cell.exporter)
    records: list[Record] = []
    for record in _records(cell, constructor, exporter, planned, chosen, seed, axes):
        records.append(record)
        if on_record is not None:
            on_record(record)
    return CellReport(cell, tuple(records))


def replay_command(cell: CellId, requirement: str, example: Example | None) -> str:
    """The command that judges one requirement of a cell again, on one example where it has one."""
    words = ["python", "-m", "harness", "replay", str(cell), "--requirement", requirement]
    if example is not None:
        if example.sizes:
            words += ["--axes", ",".join(f"{name}={size}" for name, size in example.sizes)]
        words += ["--seed", str(example.seed)]
    for module in loaded_config_modules():
        words += ["--config-module", module]
    return shlex.join(words)


def _records(
    cell: CellId,
    constructor: ConfigConstructor,
    exporter: Exporter,
    planned: Sequence[str],
    profile: Profile,
    seed: int,
    axes: Mapping[str, int] | None,
) -> Iterator[Record]:
    from harness.judge.ladder import without_judging

    try:
        reason = _why_not_applicable(cell, constructor, exporter)
        if reason is None:
            yield from _judged(cell, constructor, exporter, planned, profile, seed, axes)
            return
        outcome, trace = Outcome.NOT_APPLICABLE, ""
    except Exception as error:
        if axes is not None and isinstance(error, UsageError):
            raise
        reason = (
            f"cell: got {type(error).__name__}: {error}, expected a tiny model to judge [{cell}]"
        )
        outcome, trace = Outcome.ERRORED, traceback.format_exc()
    yield from without_judging(cell, planned, outcome=outcome, message=reason, trace=trace)


def _why_not_applicable(
    cell: CellId, constructor: ConfigConstructor, exporter: Exporter
) -> str | None:
    if cell.opset < constructor.resolve().MIN_OPSET:
        return f"{cell.architecture} is described from opset {constructor.resolve().MIN_OPSET} on"
    if cell.opset not in exporter.opsets:
        return (
            f"exporter {exporter.name} does not honour opset {cell.opset}: with the installed "
            f"versions it honours {_listed(exporter.opsets)}"
        )
    return None


def _listed(opsets: Sequence[int]) -> str:
    is_range = tuple(opsets) == tuple(range(opsets[0], opsets[-1] + 1)) if opsets else False
    return f"{opsets[0]} to {opsets[-1]}" if is_range else ", ".join(map(str, opsets)) or "none"


def _judged(
    cell: CellId,
    constructor: ConfigConstructor,
    exporter: Exporter,
    planned: Sequence[str],
    profile: Profile,
    seed: int,
    axes: Mapping[str, int] | None,
) -> Iterator[Record]:
    from harness.evidence.evidence import Evidence, Example, Source, single_thread
    from harness.evidence.models import tiny_model
    from harness.judge.examples import draw_examples
    from harness.judge.ladder import Judgement, climb

    model = tiny_model(cell.architecture, cell.task, cell.variant)
    config = constructor(model.config)
    space = config.axis_space
    if axes is None:
        examples = draw_examples(space, count=profile.max_examples, seed=seed)
    else:
        examples = [Example.of(space.complete(axes), seed)]
    with tempfile.TemporaryDirectory(prefix="onnx-conformance-") as directory, single_thread():
        source = Source(exporter=exporter, opset=cell.opset, directory=Path(directory))
        yield from climb(
            Judgement(
                cell=cell,
                evidence=Evidence(model=model, config=config, source=source),
                requirements=planned,
                examples=examples,
                atol=config.atol,
                replay=lambda requirement, example: replay_command(cell, requirement, example),
            )
        )
