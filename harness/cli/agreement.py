"""`agreement`: compares registered descriptions with what inference finds about their models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import Architectures, ConfigModules, Tasks, load_descriptions
from harness.cli.output import DOES_NOT_CONFORM, clean_stdout
from harness.evidence.fixtures import TinyModel

if TYPE_CHECKING:
    from harness.inference.comparison.agreement import PairAgreement

DEFAULT_OPSET = 18


def agreement(
    *,
    architecture: Architectures = None,
    task: Tasks = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1.0, help="Most time for one file of a description.")
    ] = 120.0,
    config_module: ConfigModules = None,
) -> int:
    """Compare descriptions with axes, outputs and caches that experiments find.

    Exit 1 if a difference is neither repaired nor an exception in `fixtures/models`.
    """
    from harness.evidence.session import single_thread

    with clean_stdout() as stdout, single_thread():
        load_descriptions(config_module)
        pairs = _pairs(architecture, task)
        from harness.inference.comparison.agreement import agreement_of_pair
        from harness.inference.experiments.experiment import Budget

        agreeing, red = 0, 0
        for model, name in pairs:
            found = agreement_of_pair(model, name, budget=Budget(seconds=seconds))
            agreeing += not found.agreement.differences
            red += bool(found.problems)
            for line in _lines(f"{model}/{name}", found):
                typer.echo(line, file=stdout)
            stdout.flush()
        typer.echo(
            f"{agreeing} of {len(pairs)} agree, {len(pairs) - agreeing - red} have exceptions, "
            f"{red} differ",
            file=stdout,
        )
    return DOES_NOT_CONFORM if red else 0


def _pairs(architecture: str | None, task: str | None) -> Sequence[tuple[TinyModel, str]]:
    """Return the selected tiny models with each of their tasks."""
    from harness.matrix.plan import Selection, make_plan
    from harness.matrix.registry import read_registry

    selection = Selection(
        opsets=(DEFAULT_OPSET,), architecture=architecture, task=task, exporter=None
    )
    cells = make_plan(selection, read_registry())
    pairs = ((TinyModel(cell.architecture, cell.variant), cell.task) for cell in cells)
    return list(dict.fromkeys(pairs))


def _lines(pair: str, found: PairAgreement) -> Iterator[str]:
    cost = f"{found.agreement.calls} calls, {found.agreement.seconds:.1f} s"
    state = "differs" if found.problems else "agrees"
    if not found.problems and found.agreement.differences:
        state = "agrees, with exceptions"
    yield f"{pair}: {state} ({cost})"
    yield from (f"  {problem}" for problem in found.problems)
