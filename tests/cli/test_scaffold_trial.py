"""The trial of a scaffolded architecture judges no more cells than it has to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import harness.judge
from harness.cli.scaffold_summary import Trial, conforms_somehow, judge_kinds, summary_lines
from harness.judge.tolerances import UnmeasuredCell
from harness.records import CellId, CellReport, Outcome, Record

DRAFT: Any = SimpleNamespace(architecture="bert", tasks=("fill-mask",))
EXPORTERS = ("dynamo", "torchscript", "transformers")


def cell(exporter: str) -> CellId:
    return CellId(architecture="bert", task="fill-mask", opset=18, exporter=exporter)


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The exporters of the cells that are judged; all but TorchScript's conform."""
    found: list[str] = []

    def judge(one: CellId, *, profile: str) -> CellReport:
        found.append(one.exporter)
        outcome = Outcome.FAILED if one.exporter == "torchscript" else Outcome.PASSED
        return CellReport(one, (Record(cell=one, requirement="agreement", outcome=outcome),))

    monkeypatch.setattr(harness.judge, "judge_cell", judge)
    return found


@pytest.mark.parametrize(
    ("is_any_enough", "expected"),
    [
        (False, ["torchscript", "dynamo", "transformers"]),
        (True, ["torchscript", "dynamo"]),
    ],
)
def test_a_task_that_conforms_is_not_judged_with_others_if_one_is_enough(
    is_any_enough: bool, expected: list[str], judged: list[str]
) -> None:
    trial = Trial.of(18, EXPORTERS, is_any_enough=is_any_enough)
    assert conforms_somehow(list(judge_kinds(DRAFT, trial, {})))
    assert judged == expected


def test_an_exporter_that_wrote_no_file_is_not_run_again(judged: list[str]) -> None:
    failed = UnmeasuredCell(
        cell=cell("dynamo"), outcome=Outcome.FAILED, message="got no file", has_file=False
    )
    (report,) = judge_kinds(DRAFT, Trial(18, ("dynamo",)), {failed.cell: failed})
    assert judged == []
    assert list(summary_lines([report])) == [f"red: {failed.cell}: export failed: got no file"]
