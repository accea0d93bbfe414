"""A correct file of low precision conforms, and its values may be far from the original's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness import CellReport, check
from harness.errors import UsageError
from tests.low_precision.conftest import TASK, step_outcomes
from tests.low_precision.forms import FORMS

Judge = Callable[..., CellReport]
CONFORMING = {
    "loads": "passed",
    "stored-weights": "passed",
    "graph": "passed",
    "kernels": "passed",
    "loss": "not_applicable",
}


@pytest.mark.gate_cases(3)
@pytest.mark.parametrize("form", ["int8", "q4", "fp16-borders", "qdq", "uint8", "fp16"])
def test_a_right_file_conforms(form: str, judge: Judge) -> None:
    report = judge(form)
    assert step_outcomes(report) == CONFORMING
    assert report.conforms
    graph = [r.requirement for r in report.records if r.requirement.startswith("graph/")]
    assert "graph/agreement" in graph
    assert report.record("graph/agreement").examples > 10
    kernels = report.record("kernels")
    assert "computed again" in kernels.message
    assert kernels.worst is not None


def test_all_forms_are_judged() -> None:
    assert set(FORMS) == {"int8", "q4", "fp16-borders", "qdq", "uint8", "fp16"}


def test_a_form_is_named_and_losses_are_reported(judge: Judge) -> None:
    report = judge("int8", requirements=["loss"])
    assert [record.requirement for record in report.records] == ["loss"]
    record = report.record("loss")
    assert record.message.startswith("reported, not judged")
    assert "least cosine 0." in record.message
    assert "top-1 agreement" in record.message


@pytest.mark.parametrize(("bound", "outcome"), [(0.0, "passed"), (1.0, "failed")])
def test_a_bound_makes_losses_a_verdict(bound: float, outcome: str, judge: Judge) -> None:
    report = judge("q4", requirements=["loss"], min_top1=bound)
    assert report.record("loss").outcome == outcome


def test_a_requirement_is_the_twins(judge: Judge) -> None:
    report = judge("int8", requirements=["opset", "graph/checker"])
    assert [r.requirement for r in report.records] == ["graph/opset", "graph/checker"]
    assert {str(record.outcome) for record in report.records} == {"passed"}


def test_a_float32_file_has_no_steps(exported: Any, subject: Any) -> None:
    with pytest.raises(UsageError, match="loads is a step of files that are not float32"):
        check(exported("bert", TASK), subject("bert", TASK).model, TASK, requirements=["loads"])


def test_an_unknown_step_is_refused(judge: Judge) -> None:
    with pytest.raises(UsageError, match="requirement 'load' is not known; did you mean loads"):
        judge("int8", requirements=["load"])
