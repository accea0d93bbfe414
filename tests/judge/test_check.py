"""`check`: which files get a verdict, which inputs are refused, and the contents of a report."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import Outcome, UsageError, check, export

TASK = "fill-mask"


def test_a_correct_file_conforms_and_says_what_it_ran(
    subject: Callable[..., Any], exported: Callable[..., Path]
) -> None:
    report = check(exported("bert", TASK), subject("bert", TASK).model, TASK, opset=18)
    assert report.conforms
    assert str(report.cell) == "bert/fill-mask/opset18/file"
    agreement = report.record("agreement")
    assert agreement.examples >= 30
    assert {1, 2, 3} <= set(agreement.covered["batch_size"])
    assert agreement.worst is not None
    assert 0 < agreement.worst.error_ratio < 1


def test_the_next_opset_is_refused(
    subject: Callable[..., Any], exported: Callable[..., Path]
) -> None:
    report = check(exported("bert", TASK), subject("bert", TASK).model, TASK, opset=19)
    assert not report.conforms
    record = report.records[1]
    assert (record.requirement, record.outcome) == ("opset", Outcome.FAILED)
    assert "got 18, expected 19" in record.message


def test_without_an_opset_the_opset_of_the_file_is_accepted(
    subject: Callable[..., Any], exported: Callable[..., Path]
) -> None:
    report = check(exported("bert", TASK), subject("bert", TASK).model, TASK)
    assert report.conforms
    assert report.cell.opset == 18


def test_a_folder_and_a_file_are_the_same(
    subject: Callable[..., Any], exported: Callable[..., Path]
) -> None:
    path = exported("bert", TASK)
    assert check(path.parent, subject("bert", TASK).model, TASK, requirements=["opset"]).conforms


def test_an_atol_that_hides_everything_is_inconclusive(
    subject: Callable[..., Any], exported: Callable[..., Path]
) -> None:
    named, model = ["export", "agreement"], subject("bert", TASK).model
    report = check(exported("bert", TASK), model, TASK, atol=1e6, requirements=named)
    assert report.record("agreement").outcome is Outcome.INCONCLUSIVE
    assert not report.conforms


@pytest.mark.parametrize("atol", [1e-12, {TASK: 1e-12, "text-classification": 1.0}])
def test_an_atol_below_rounding_fails_with_the_numbers(
    atol: Any, subject: Callable[..., Any], exported: Callable[..., Path]
) -> None:
    report = check(
        exported("bert", TASK),
        subject("bert", TASK).model,
        TASK,
        atol=atol,
        requirements=["agreement"],
    )
    record = report.record("agreement")
    assert record.outcome is Outcome.FAILED
    assert record.failing is not None
    assert record.worst is not None
    assert "values of logits: got max_abs_diff" in record.message
    assert f"[{report.cell}, batch_size=" in record.message
    assert record.replay is not None
    assert "--atol 1e-12" in record.replay


def test_another_model_of_the_same_shape_is_refused(
    subject: Callable[..., Any], exported: Callable[..., Path]
) -> None:
    import copy

    import torch

    other = copy.deepcopy(subject("bert", TASK).model)
    with torch.no_grad():
        other.bert.encoder.layer[1].output.dense.weight[0, 0] += 0.01
    report = check(exported("bert", TASK), other, TASK, requirements=["agreement"])
    assert [record.outcome for record in report.records] == [Outcome.FAILED]


def test_a_planned_requirement_alone_has_a_record(
    subject: Callable[..., Any], exported: Callable[..., Path]
) -> None:
    report = check(
        exported("bert", TASK), subject("bert", TASK).model, TASK, requirements=["checker"]
    )
    assert [record.requirement for record in report.records] == ["checker"]


@pytest.mark.parametrize("content", [b"", b"no model at all", None, b"\x08\x08"])
def test_what_is_no_onnx_model_is_bad_input(
    content: bytes | None,
    subject: Callable[..., Any],
    exported: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """`content` None means a truncated model."""
    path = tmp_path / "model.onnx"
    path.write_bytes(exported("bert", TASK).read_bytes()[:5000] if content is None else content)
    with pytest.raises(UsageError, match=r"model\.onnx is"):
        check(path, subject("bert", TASK).model, TASK)


def test_a_folder_without_files_and_a_missing_file(
    subject: Callable[..., Any], tmp_path: Path
) -> None:
    model = subject("bert", TASK).model
    with pytest.raises(UsageError, match=r"has no \.onnx file"):
        check(tmp_path, model, TASK)
    with pytest.raises(UsageError, match="does not exist"):
        check(tmp_path / "none.onnx", model, TASK)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"atol": math.nan}, "atol nan"),
        ({"atol": -1.0}, "atol -1.0"),
        ({"atol": {"text-classification": 1.0}}, f"entry for {TASK}"),
        ({"requirements": ["agrement"]}, "did you mean agreement"),
        ({"profile": "nightli"}, "did you mean nightly"),
        ({"task": "fill-mas"}, "did you mean fill-mask"),
    ],
)
def test_bad_options(
    option: dict[str, Any],
    said: str,
    subject: Callable[..., Any],
    exported: Callable[..., Path],
) -> None:
    arguments = {"task": TASK, **option}
    with pytest.raises(UsageError, match=said):
        check(exported("bert", TASK), subject("bert", TASK).model, **arguments)


def test_the_seed_decides_which_examples_are_drawn(
    subject: Callable[..., Any], tmp_path: Path
) -> None:
    one = subject("vit", "image-classification")
    export(one.model, one.config, tmp_path, opset=18, exporter="torchscript")
    worst = [
        check(tmp_path, one.model, "image-classification", seed=seed).record("agreement").worst
        for seed in (1, 1, 2)
    ]
    assert worst[0] == worst[1] != worst[2]
