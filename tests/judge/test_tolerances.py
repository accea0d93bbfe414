"""Measured tolerances: the needed tolerance, eager's rounding error, and the proposed tolerance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from harness import CellId, ExporterError, Outcome, T5OnnxConfig, judge_cell, register_exporter
from harness.evidence.fixtures import TinyModel
from harness.exporters._torch import Target
from harness.exporters._wrapper import FlatModel
from harness.exporters.torchscript import TorchScriptExporter
from harness.judge.profiles import Profile
from harness.judge.proposals import SMALLEST, Tolerance, ToleranceReport, propose
from harness.judge.rounding import eager_rounding, largest_allowed_atol
from harness.judge.tolerances import MeasuredCell, Peak, UnmeasuredCell, measure_cell
from harness.records import Record

BERT = "bert/fill-mask/opset18/torchscript"
T5 = "t5/text2text-generation-with-past/opset18/torchscript"
FEW = 5


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(BERT, id="one part"),
        pytest.param(T5, id="three parts", marks=pytest.mark.full),
    ],
)
def measured(request: pytest.FixtureRequest) -> MeasuredCell:
    found = measure_cell(CellId.parse(request.param), count=FEW, seed=3)
    assert isinstance(found, MeasuredCell)
    return found


def agreement(cell: CellId, **options: Any) -> Record:
    return judge_cell(cell, requirements=["agreement"], **options).record("agreement")


def test_the_needed_tolerance_is_the_difference_that_agreement_measures(
    measured: MeasuredCell,
) -> None:
    drawn = Profile("few", opsets=(18,), max_examples=FEW)
    record = agreement(measured.cell, profile=drawn, seed=3)
    assert measured.examples == record.examples
    assert measured.needed.max_abs_diff == max(record.needed_atol.values()) > 0
    assert measured.is_sufficient


def test_the_largest_difference_can_be_replayed(measured: MeasuredCell) -> None:
    needed = measured.needed
    record = agreement(measured.cell, axes=needed.axes, seed=needed.seed)
    assert record.worst is not None
    assert (record.part, record.worst.output) == (needed.part, needed.output)
    assert record.worst.max_abs_diff == needed.max_abs_diff


def test_eager_s_rounding_error_does_not_depend_on_the_file(
    measured: MeasuredCell, subject: Callable[..., Any]
) -> None:
    one = subject(measured.cell.architecture, measured.cell.task)
    rounding = eager_rounding(one.model, one.config, count=FEW, seed=3)
    assert measured.eager.max_abs_diff == rounding > 0
    assert measured.allowed == largest_allowed_atol(rounding)


def test_two_sides_are_no_further_apart_than_both_are_from_float64(measured: MeasuredCell) -> None:
    apart = measured.eager.max_abs_diff + measured.candidate.max_abs_diff
    assert measured.needed.max_abs_diff <= apart


def test_all_parts_are_measured_together_too(monkeypatch: pytest.MonkeyPatch) -> None:
    compose = T5OnnxConfig.compose

    def off(config: Any, *arguments: Any) -> Any:
        return {name: value + 0.5 for name, value in compose(config, *arguments).items()}

    monkeypatch.setattr(T5OnnxConfig, "compose", off)
    found = measure_cell(CellId.parse(T5), count=1)
    assert isinstance(found, MeasuredCell)
    assert found.needed.part == "encoder_model + decoder_model + decoder_with_past_model"
    assert found.needed.max_abs_diff == pytest.approx(0.5, rel=1e-3)
    assert found.eager.max_abs_diff < 1e-3


class _Edited(TorchScriptExporter):
    """An exporter that writes correct files, then applies `edit` to them."""

    name = "edited"
    opsets = (18,)

    def __init__(self, edit: Callable[[onnx.ModelProto], None]) -> None:
        self.edit = edit

    def write(self, model: FlatModel, tensors: Any, target: Target) -> None:
        super().write(model, tensors, target)
        written = onnx.load(target.path)
        self.edit(written)
        onnx.save(written, target.path)


def shift(model: onnx.ModelProto) -> None:
    (bias,) = (i for i in model.graph.initializer if i.name.endswith("predictions.bias"))
    bias.CopyFrom(
        numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(0.01), bias.name)
    )


def rename(model: onnx.ModelProto) -> None:
    """Rename the graph's first output."""
    model.graph.node[-1].output[0] = model.graph.output[0].name = "scores"


def measure_edited(edit: Callable[[onnx.ModelProto], None]) -> MeasuredCell | UnmeasuredCell:
    register_exporter(_Edited(edit))
    return measure_cell(CellId.parse(BERT.replace("torchscript", "edited")), count=FEW)


def test_a_file_that_is_off_by_more_than_rounding_gets_no_proposal() -> None:
    found = measure_edited(shift)
    assert isinstance(found, MeasuredCell)
    assert found.needed.max_abs_diff == pytest.approx(0.01, rel=0.01)
    assert found.candidate.max_abs_diff == pytest.approx(0.01, rel=0.01)
    assert found.eager.max_abs_diff < 1e-4
    tolerance = Tolerance([found])
    assert tolerance.proposed is None
    assert any("do not raise the tolerance" in problem for problem in tolerance.problems)


def test_a_difference_that_no_tolerance_allows_is_reported_and_not_measured() -> None:
    found = measure_edited(rename)
    assert isinstance(found, UnmeasuredCell)
    assert found.outcome is Outcome.FAILED
    assert "got scores, expected logits" in found.message


def test_a_failing_export_is_reported_and_not_measured() -> None:
    def fail(model: onnx.ModelProto) -> None:
        raise ExporterError("no operator today")

    found = measure_edited(fail)
    assert isinstance(found, UnmeasuredCell)
    assert found.outcome is Outcome.FAILED
    assert "no operator today" in found.message


def test_a_cell_that_is_not_applicable_is_reported_with_the_reason() -> None:
    found = measure_cell(CellId.parse(BERT.replace("opset18", "opset98")))
    assert isinstance(found, UnmeasuredCell)
    assert found.outcome is Outcome.NOT_APPLICABLE
    assert "opset 98" in found.message


def test_a_missing_model_is_reported_with_what_to_do() -> None:
    found = measure_cell(CellId.parse(BERT.replace("bert", "bert~tall", 1)))
    assert isinstance(found, UnmeasuredCell)
    assert found.outcome is Outcome.ERRORED
    assert "bert~tall.json" in found.message


def made_up(
    model: str = "bert", *, needed: float, eager: float, atol: float | None, **others: Any
) -> MeasuredCell:
    def peak(value: float) -> Peak:
        return Peak(max_abs_diff=value, part="model", output="logits", axes={"n": 2}, seed=7)

    cell = CellId.parse(f"{model}/fill-mask/opset18/dynamo")
    two, three = peak(needed), peak(eager)
    known = {"holder": TinyModel("bert"), "atol": atol, **others}
    return MeasuredCell(cell=cell, examples=1, needed=two, eager=three, candidate=two, **known)


def report(*cells: MeasuredCell | UnmeasuredCell, is_complete: bool = True) -> ToleranceReport:
    return ToleranceReport(cells=cells, is_complete=is_complete)


SOUND = made_up(needed=2e-5, eager=1e-5, atol=5e-5)


def test_a_variant_is_held_to_the_tolerance_that_its_architecture_needs() -> None:
    calm = made_up("bert~calm", needed=1e-6, eager=1e-7, atol=5e-5)
    (tolerance,) = report(calm, SOUND).tolerances
    assert calm.allowed < 5e-5
    assert (tolerance.most_demanding, tolerance.rounding, tolerance.problems) == (SOUND, 1e-5, [])
    assert report(calm, SOUND).holds


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (
            made_up(needed=6e-5, eager=1e-5, atol=5e-5),
            "atol of bert/fill-mask: got 5e-05, expected at least 6e-05, which "
            "bert/fill-mask/opset18/dynamo needed [model: logits at n=2, seed=7]",
        ),
        (
            made_up(needed=2e-5, eager=1e-5, atol=1.1e-4),
            "atol of bert/fill-mask: got 0.00011, expected at most 0.0001, since eager's rounding "
            "error is 1e-05; lower it, or give the reason in an exception `tolerance` of the tiny "
            "model",
        ),
    ],
)
def test_a_tolerance_that_does_not_hold_says_what_would(cell: MeasuredCell, said: str) -> None:
    (tolerance,) = report(cell).tolerances
    assert tolerance.problems == [said]
    assert not report(cell).holds


def test_a_variant_with_a_tolerance_of_its_own_is_held_to_it() -> None:
    own = made_up("bert~calm", needed=1e-6, eager=1e-7, atol=5e-5, holder=TinyModel("bert", "calm"))
    first, second = report(own, SOUND).tolerances
    assert (first.name, second.name) == ("bert~calm/fill-mask", "bert/fill-mask")
    assert (len(first.problems), second.problems) == (1, [])


@pytest.mark.parametrize("atol", [2e-4, 1.1e-4])
def test_a_written_reason_excuses_a_wide_tolerance_that_is_large_enough(atol: float) -> None:
    (tolerance,) = report(made_up(needed=1.5e-4, eager=1e-5, atol=atol, reason="why")).tolerances
    assert len(tolerance.problems) == (atol < 1.5e-4)


@pytest.mark.parametrize(
    ("cell", "is_stored"),
    [
        pytest.param(made_up(needed=1e-5, eager=1e-5, atol=None), True, id="none is known"),
        pytest.param(made_up(needed=1e-5, eager=1e-5, atol=2e-5), False, id="the stored one holds"),
        pytest.param(made_up(needed=1e-5, eager=1e-5, atol=2e-6), True, id="it is too low"),
        pytest.param(made_up(needed=1e-5, eager=1e-5, atol=2e-4), True, id="it is too wide"),
        pytest.param(made_up(needed=2e-4, eager=1e-5, atol=None), False, id="none is allowed"),
        pytest.param(
            made_up(needed=1e-5, eager=1e-5, atol=2e-6, is_stated=True), False, id="one is stated"
        ),
        pytest.param(
            made_up(needed=1e-5, eager=1e-5, atol=2e-4, reason="why"), False, id="it has a reason"
        ),
    ],
)
def test_a_proposal_is_stored_where_no_tolerance_holds(cell: MeasuredCell, is_stored: bool) -> None:
    (tolerance,) = report(cell).tolerances
    assert tolerance.to_store == (tolerance.proposed if is_stored else None)


def test_a_cell_without_a_tolerance_holds_as_far_as_is_allowed() -> None:
    assert report(made_up(needed=1e-4, eager=1e-5, atol=None)).holds
    assert not report(made_up(needed=1.1e-4, eager=1e-5, atol=None)).holds


def test_a_report_holds_only_if_all_applicable_cells_were_measured() -> None:
    def left_out(outcome: Outcome) -> UnmeasuredCell:
        return UnmeasuredCell(cell=SOUND.cell, outcome=outcome, message="why")

    assert report(SOUND, left_out(Outcome.NOT_APPLICABLE)).holds
    assert not report(SOUND, left_out(Outcome.FAILED)).holds
    assert not report(left_out(Outcome.NOT_APPLICABLE)).holds
    assert not report(SOUND, is_complete=False).holds


@given(st.floats(0, 1e-2), st.floats(0, 1e-3))
def test_a_proposal_is_enough_and_allowed(needed: float, rounding: float) -> None:
    proposed = propose(needed, rounding)
    if proposed is None:
        assert needed > largest_allowed_atol(rounding)
    else:
        assert max(needed, SMALLEST) <= proposed <= largest_allowed_atol(rounding)


@pytest.mark.parametrize(
    ("needed", "rounding", "proposed"),
    [
        pytest.param(0.0, 0.0, 1e-6, id="not below what processors differ by"),
        pytest.param(1.234e-5, 2.04e-6, 2e-5, id="twice what was needed is more than is allowed"),
        pytest.param(1.234e-5, 4e-6, 2.5e-5, id="twice what was needed"),
        pytest.param(1.234e-5, 3.9e-5, 1.2e-4, id="three times eager's rounding"),
        pytest.param(2.139e-5, 2.14e-6, 2.14e-5, id="no number of two digits is both"),
        pytest.param(2.2e-5, 2.14e-6, None, id="ten times eager's rounding is not enough"),
    ],
)
def test_proposals(needed: float, rounding: float, proposed: float | None) -> None:
    assert propose(needed, rounding) == (None if proposed is None else pytest.approx(proposed))
