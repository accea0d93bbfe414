"""A small matrix, its runs, and the updates of expectations that follow from them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.evidence.fixtures import TinyModel
from harness.matrix.expectation_checks import examine_expectations, load_expectations
from harness.matrix.expectation_update import Update, propose_update, versions_of
from harness.matrix.expectations import EXPECTABLE_OUTCOMES, UNWRITTEN, Expectations
from harness.matrix.pairs import Box, Matrix, Pair
from harness.matrix.registry import Registry
from harness.records import CellId, Footer, Outcome, Record, Run
from tests.small_runs import header_of

REGISTRY = Registry(
    tasks={
        TinyModel("bert"): ("feature-extraction", "fill-mask", "question-answering"),
        TinyModel("bert", "tall"): ("fill-mask",),
        TinyModel("bert", "wide"): ("feature-extraction", "fill-mask", "question-answering"),
        TinyModel("distilbert"): ("feature-extraction", "fill-mask", "question-answering"),
        TinyModel("vit"): ("feature-extraction", "image-classification"),
        TinyModel("vit", "deep"): ("image-classification",),
    },
    exporters=("dynamo", "torchscript"),
    requirements=("export", "opset", "agreement"),
)
MATRIX = Matrix(REGISTRY)
PAIRS = list(
    MATRIX.pairs(
        Box(
            models=frozenset(REGISTRY.models),
            tasks=frozenset(REGISTRY.all_tasks),
            opsets=frozenset(MATRIX.opsets),
            exporters=frozenset(REGISTRY.exporters),
            requirements=frozenset(REGISTRY.requirements),
        )
    )
)
BAD = list(EXPECTABLE_OUTCOMES)
UNJUDGED = (Outcome.SKIPPED, Outcome.NOT_RUN)


def record(pair: Pair, outcome: Outcome, *, message: str = "", blame: str | None = None) -> Record:
    model, task, opset, exporter, requirement = pair
    cell = CellId(
        architecture=model.architecture,
        variant=model.variant,
        task=task,
        opset=opset,
        exporter=exporter,
    )
    text = message or f"{requirement}: got {opset}, expected 2 [{cell}]\nsecond line"
    return Record(cell=cell, requirement=requirement, outcome=outcome, message=text, blame=blame)


def run_of(records: Iterable[Record], *, is_complete: bool = True, **versions: str) -> Run:
    found = {(str(one.cell), one.requirement): one for one in records}
    header = header_of(versions=versions)
    footer = Footer(counts={}, exit_status=1, complete=True) if is_complete else None
    return Run(header=header, started=[], records=found, footer=footer)


def propose(run: Run, path: Path) -> Update:
    examined = examine_expectations((path,), REGISTRY, version_of=versions_of(run))
    return propose_update(run, examined.require_sound(), MATRIX, home=lambda _: path)


def fill_in(text: str) -> str:
    text = text.replace(f'issue = "{UNWRITTEN}"', 'issue = "https://example.org/2"')
    return text.replace(f'reason = "{UNWRITTEN}"', 'reason = "understood"')


def write(update: Update) -> None:
    for file in update.files:
        file.path.write_text(file.after, encoding="utf-8")


def load(path: Path) -> Expectations:
    return load_expectations((path,), REGISTRY)


def apply(expectations: Expectations, records: Iterable[Record]) -> list[Record]:
    return [expectations.apply(one) for one in records]


def covered(expectations: Expectations) -> set[Pair]:
    return {pair for one in expectations.entries for pair in MATRIX.pairs(one.box)}
