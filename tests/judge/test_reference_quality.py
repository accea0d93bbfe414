"""The reference must agree with itself, and a record keeps the tolerance that was needed."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from harness import Outcome, Record, check
from harness.records import dump_line, parse_line

TASK = "fill-mask"


class _Restless(nn.Module):
    """A layer whose dropout is active in eval mode too, as in some published models."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(hidden, 0.5, training=True)


def test_a_reference_that_contradicts_itself_judges_nothing(
    subject: Callable[..., Any], exported: Callable[..., Path]
) -> None:
    model = copy.deepcopy(subject("bert", TASK).model)
    model.bert.embeddings.dropout = _Restless()
    report = check(exported("bert", TASK), model, TASK, profile="smoke")
    assert {record.outcome for record in report.records} == {Outcome.NOT_APPLICABLE}
    assert not report.conforms
    assert "from two calls on the same inputs" in report.records[0].message


def test_the_tolerance_that_was_needed_is_kept_for_each_output(
    subject: Callable[..., Any], exported: Callable[..., Path]
) -> None:
    one = subject("bert", "question-answering")
    path = exported("bert", "question-answering")
    record = check(path, one.model, "question-answering").record("agreement")
    needed = record.needed_atol
    assert set(needed) == {"start_logits", "end_logits"}
    assert record.worst is not None
    assert needed[record.worst.output] == record.worst.max_abs_diff

    def outcome(atol: float) -> Outcome:
        report = check(path, one.model, "question-answering", atol=atol, requirements=["agreement"])
        return report.record("agreement").outcome

    assert outcome(max(needed.values())) is Outcome.PASSED
    assert outcome(0.99 * max(needed.values())) is Outcome.FAILED


@pytest.mark.parametrize("atol", [1e-5, float("inf")])
def test_it_survives_the_run_file(
    atol: float, subject: Callable[..., Any], exported: Callable[..., Path]
) -> None:
    one = subject("bert", TASK)
    record = check(exported("bert", TASK), one.model, TASK, profile="smoke").record("export")
    measured = dataclasses.replace(record, needed_atol={"logits": atol})
    read = parse_line(dump_line(measured), source="here")
    assert isinstance(read, Record)
    assert read.needed_atol == {"logits": atol}
