"""A small matrix, its runs, and the updates of known failures that follow from them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from pathlib import Path

from harness.evidence.fixtures import TinyModel
from harness.matrix.expectation_checks import examine_expectations, load_expectations
from harness.matrix.expectation_update import Update, propose_update, versions_of
from harness.matrix.expectations import EXPECTABLE_OUTCOMES, UNWRITTEN, Expectations, Pair
from harness.matrix.full_matrix import FullMatrix
from harness.matrix.registry import Registry
from harness.records import CellId, Footer, Outcome, Record, Run
from tests.small_runs import header_of

REGISTRY = Registry(
    tasks={
        TinyModel("bert"): ("fill-mask", "question-answering"),
        TinyModel("bert", "tall"): ("fill-mask",),
        TinyModel("vit"): ("feature-extraction", "image-classification"),
    },
    exporters=("dynamo", "torchscript"),
    requirements=("export", "opset", "agreement"),
)
MATRIX = FullMatrix.of(REGISTRY)
PAIRS: list[Pair] = [
    (f"{row}/opset{opset}/{exporter}", requirement)
    for row, opset, exporter, requirement in product(
        sorted(MATRIX.rows), (17, 18, 19), REGISTRY.exporters, REGISTRY.requirements
    )
]
BAD = list(EXPECTABLE_OUTCOMES)
UNJUDGED = (Outcome.SKIPPED, Outcome.NOT_RUN)


def record(
    pair: Pair, outcome: Outcome, *, message: str = "got 1, expected 2", blame: str | None = None
) -> Record:
    return Record(
        cell=CellId.parse(pair[0]),
        requirement=pair[1],
        outcome=outcome,
        message=message,
        blame=blame,
    )


def run_of(records: Iterable[Record], *, is_complete: bool = True, **versions: str) -> Run:
    found = {(str(one.cell), one.requirement): one for one in records}
    header = header_of(versions=versions)
    footer = Footer(counts={}, exit_status=1, complete=True) if is_complete else None
    return Run(header=header, started=[], records=found, footer=footer)


def propose(run: Run, *folders: Path) -> Update:
    """Return the update of the folders; new files go to the first."""
    examined = examine_expectations(
        folders, REGISTRY, version_of=versions_of(run), needs_cells=False
    )
    return propose_update(run, examined.require_sound(), MATRIX, home=lambda _: folders[0])


def fill_in(folder: Path) -> None:
    """Write reasons and issues into drafts, as a person would."""
    for path in folder.glob("*.toml"):
        text = path.read_text().replace(f'issue = "{UNWRITTEN}"', 'issue = "https://example.org"')
        path.write_text(text.replace(UNWRITTEN, "understood"))


def write(update: Update) -> None:
    for file in update.files:
        if file.after:
            file.path.write_text(file.after, encoding="utf-8")
        else:
            file.path.unlink()


def load(*folders: Path) -> Expectations:
    return load_expectations(folders, REGISTRY)


def apply(expectations: Expectations, records: Iterable[Record]) -> list[Record]:
    return [expectations.apply(one) for one in records]
