"""The tolerance of a model that is not the tiny one of its architecture: measured, and stated."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from transformers import ViTConfig, ViTForImageClassification

from harness import (
    AtolError,
    BertOnnxConfig,
    Outcome,
    Record,
    TasksManager,
    check,
    export,
    judge_cell,
    validate_model_outputs,
)
from harness.configs.axis_space import AxisSpace
from harness.configs.feeds import FeedKind, is_ordinary, seed_of
from harness.evidence.example import Example
from harness.evidence.models import perturb, read_tiny
from harness.evidence.reference import EagerError
from harness.evidence.tolerance import Origin, Tolerance
from harness.judge.measured_tolerance import EXAMPLES, Observed, measured_on
from harness.records import CellId

LONG = AxisSpace.over({"sequence_length"}, overrides={}, ceilings={"sequence_length": 1000})
TASK = "image-classification"
SIZES = {
    "hidden_size": 48,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "image_size": 16,
    "patch_size": 4,
    "num_labels": 7,
}


class Exported:
    """A model that is deeper and wider than the tiny one, its description and a correct file."""

    def __init__(self, folder: Path, adapt: Callable[[Any], None] = lambda model: None) -> None:
        self.model = ViTForImageClassification(ViTConfig(**SIZES)).eval()
        perturb(self.model, seed=0, matrix_std=0.4, vector_std=0.4)
        with torch.no_grad():
            adapt(self.model)
        constructor = TasksManager.get_exporter_config_constructor("onnx", self.model, task=TASK)
        self.config = constructor(self.model.config)
        self.path = folder / "model.onnx"
        export(self.model, self.config, folder, opset=18, exporter="torchscript")

    @functools.cached_property
    def measured(self) -> Record:
        return self.agreement()

    def agreement(self, **options: Any) -> Record:
        report = check(self.path, self.model, TASK, requirements=["agreement"], **options)
        return report.record("agreement")

    def shift_one_bias(self, path: Path, amount: float) -> Path:
        """Write a file in which one logit is off by `amount`."""
        proto = onnx.load(self.path)
        (bias,) = [t for t in proto.graph.initializer if t.name.endswith("classifier.bias")]
        values = numpy_helper.to_array(bias).copy()
        values[3] += amount
        bias.CopyFrom(numpy_helper.from_array(values, bias.name))
        onnx.save(proto, path)
        return path


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return Exported(tmp_path_factory.mktemp("larger"))


@pytest.fixture(scope="module")
def offset(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Logits near 10,000 that vary by little: eager itself rounds by as much."""

    def adapt(model: Any) -> None:
        model.classifier.weight.mul_(1e-3)
        model.classifier.bias.fill_(1e4)

    return Exported(tmp_path_factory.mktemp("offset"), adapt)


def test_a_correct_file_of_another_configuration_conforms(larger: Exported) -> None:
    report = check(larger.path, larger.model, TASK, profile="smoke")
    assert report.conforms
    record = report.record("agreement")
    assert record.tolerance_origin == Origin.MEASURED
    assert record.tolerance["logits"] > larger.config.atol
    assert record.worst is not None
    assert record.worst.atol == record.tolerance["logits"]


def test_the_stated_tolerance_of_the_tiny_model_would_refuse_it(larger: Exported) -> None:
    """And neither the runtime nor the exporter is to blame for what eager's rounding explains."""
    record = larger.agreement(atol=larger.config.atol)
    assert (record.outcome, record.blame) == (Outcome.FAILED, "harness")
    assert "the tolerance is at fault" in record.message
    assert "give a larger --atol, or none" in record.message


def test_rounding_below_atol_may_explain_a_difference_too(larger: Exported) -> None:
    needed = larger.measured.needed_atol["logits"]
    record = larger.agreement(atol=0.95 * needed)
    assert (record.outcome, record.blame) == (Outcome.FAILED, "harness")


def test_a_weight_that_is_off_by_50_times_the_rounding_is_refused(
    larger: Exported, tmp_path: Path
) -> None:
    rounding = larger.measured.tolerance["logits"] / 10
    path = larger.shift_one_bias(tmp_path / "model.onnx", 50 * rounding)
    report = check(path, larger.model, TASK, requirements=["agreement"])
    record = report.record("agreement")
    assert (record.outcome, record.blame) == (Outcome.FAILED, "exporter")
    with pytest.raises(AtolError, match=f"atol {Origin.MEASURED}"):
        validate_model_outputs(larger.config, larger.model, path, ["logits"])
    validate_model_outputs(larger.config, larger.model, larger.path, ["logits"])


def test_a_tolerance_that_could_hide_a_wrong_file_is_inconclusive(offset: Exported) -> None:
    record = offset.agreement()
    assert record.outcome is Outcome.INCONCLUSIVE
    assert "atol of logits: got 0.0" in record.message
    assert "0.001 x the standard deviation of its values" in record.message


def test_a_given_tolerance_wins(offset: Exported) -> None:
    record = offset.agreement(atol=0.5)
    assert record.outcome is Outcome.PASSED
    assert (record.tolerance, record.tolerance_origin) == ({"logits": 0.5}, Origin.GIVEN)


def test_a_model_that_refuses_float64_is_inconclusive(
    larger: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> Any:
        raise EagerError("RuntimeError: no kernel for Double")

    monkeypatch.setattr("harness.evidence.eager_part.EagerPart.in_float64", refuse)
    record = larger.agreement()
    assert record.outcome is Outcome.INCONCLUSIVE
    assert "no kernel for Double" in record.message


CLASSIFICATION = "text-classification"
TINY = CellId(architecture="bert", task=CLASSIFICATION, opset=18, exporter="torchscript")


def _judged(cell: CellId) -> Record:
    return judge_cell(cell, requirements=["agreement"], profile="smoke").record("agreement")


def test_a_tolerance_that_the_description_states_precedes_a_stored_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(BertOnnxConfig, "ATOL_FOR_VALIDATION", {CLASSIFICATION: 2e-4})
    record = _judged(TINY)
    assert (record.tolerance, record.tolerance_origin) == ({"logits": 2e-4}, Origin.STATED)


@pytest.mark.parametrize("stated", [None, {"fill-mask": 2e-4}])
def test_a_tiny_model_without_a_tolerance_has_a_measured_one(
    stated: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixture = {key: value for key, value in read_tiny("bert").items() if key != "atol"}
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "bert.json").write_text(json.dumps(fixture))
    monkeypatch.setattr("harness.configs.plugins._fixture_directories", [tmp_path])
    monkeypatch.setattr(BertOnnxConfig, "ATOL_FOR_VALIDATION", stated)
    record = _judged(TINY)
    assert (record.outcome, record.tolerance_origin) == (Outcome.PASSED, Origin.MEASURED)
    assert record.worst is not None
    axes, seed = record.worst.axes, record.worst.seed
    again = judge_cell(TINY, requirements=["agreement"], profile="smoke", axes=axes, seed=seed)
    assert again.record("agreement").tolerance_origin == Origin.MEASURED


def test_the_tiny_model_has_the_tolerance_that_is_stored_with_it(
    subject: Callable[..., Any],
) -> None:
    cell = CellId(
        architecture="gpt2", task="text-generation-with-past", opset=18, exporter="torchscript"
    )
    record = judge_cell(cell, requirements=["agreement"], profile="smoke").record("agreement")
    assert record.tolerance_origin == Origin.STORED
    assert "present.1.value" in record.tolerance
    assert set(record.tolerance.values()) == {subject("gpt2", cell.task).config.atol}


class _Sides:
    """One output of 1,000 values with a standard deviation of 1, and a rounding per example."""

    def __init__(self, roundings: Sequence[float]) -> None:
        self.roundings = roundings
        self.measured: list[int] = []
        self.config = SimpleNamespace(axis_space=AxisSpace({}))
        self.eager = SimpleNamespace(in_float64=self.in_float64)

    def fact(self, key: object, compute: Callable[[], Any]) -> Any:
        return compute()

    def reference(self, example: Example) -> dict[str, Any]:
        values = np.tile([-1.0, 1.0], 500).astype(np.float32)
        return {"y": values, "choice": np.array([example.seed])}

    def feed(self, example: Example) -> Any:
        return example

    def in_float64(self, example: Example) -> dict[str, Any]:
        self.measured.append(example.seed)
        reference = self.reference(example)
        exact = reference["y"].astype(np.float64) + self.roundings[example.seed]
        return {**reference, "y": exact}


def _measured(roundings: Sequence[float]) -> tuple[Tolerance, list[int]]:
    sides: Any = _Sides(roundings)
    examples = [Example.of({"batch_size": 1 + n % 7}, n) for n in range(len(roundings))]
    return measured_on(examples)(sides), sides.measured


@pytest.mark.parametrize(
    ("roundings", "atol", "is_conclusive"),
    [
        pytest.param([1e-6, 3e-6, 2e-6], 3e-5, True, id="the largest decides"),
        pytest.param([1e-8, 1e-8], 1e-5, True, id="at least 1e-5"),
        pytest.param([1e-6] * 19 + [0.5], 1e-5, True, id="one near a tie is left out"),
        pytest.param([1e-6] * 18 + [0.5, 0.5], 5.0, False, id="two of twenty decide too"),
        pytest.param([2e-4], 2e-3, False, id="above 1e-3 of the spread"),
        pytest.param([9e-5], 9e-4, True, id="just below 1e-3 of the spread"),
    ],
)
def test_a_tolerance_is_ten_times_the_rounding(
    roundings: list[float], atol: float, *, is_conclusive: bool
) -> None:
    tolerance, _ = _measured(roundings)
    assert tolerance.for_output("y") == pytest.approx(atol, rel=0.05)
    assert tolerance.for_output("choice") == 1e-5
    assert ("y" not in tolerance.doubts) is is_conclusive


def test_values_that_a_mask_fills_do_not_count() -> None:
    """They are the least number of either dtype."""

    class Masked(_Sides):
        def reference(self, example: Example) -> dict[str, Any]:
            outputs = super().reference(example)
            outputs["y"][0] = np.finfo(np.float32).min
            return outputs

        def in_float64(self, example: Example) -> dict[str, Any]:
            outputs = super().in_float64(example)
            outputs["y"][0] = np.finfo(np.float64).min
            return outputs

    sides: Any = Masked([1e-6, 2e-6])
    examples = [Example.of({"batch_size": 1}, seed) for seed in range(2)]
    tolerance = measured_on(examples)(sides)
    assert tolerance.for_output("y") == pytest.approx(2e-5, rel=0.05)
    assert tolerance.doubts == {}
    sides = Masked([3e-4, 3e-4])
    assert "expected at most 0.001," in measured_on(examples)(sides).doubts["y"]


def test_a_bounded_number_of_examples_is_measured() -> None:
    _, measured = _measured([1e-6] * 200)
    assert len(measured) == EXAMPLES
    assert 6 in measured  # the first of the largest
    assert max(measured) > 150


def _observed(*, loud: Callable[[Example], bool]) -> Observed:
    """Observe ordinary and provoking examples of growing length."""
    observed = Observed(LONG)
    for kind in (FeedKind.ORDINARY, FeedKind.PROVOKING):
        for length in (1, 10, 100, 1000):
            example = Example.of({"sequence_length": length}, seed_of(kind, length))
            observed.add(example, np.linspace(-10, 10, 100), 5e-2 if loud(example) else 3e-5)
    return observed


@pytest.mark.parametrize(
    ("loud", "atol"),
    [
        # Users never see such feeds.
        (lambda e: not is_ordinary(e.seed), 3e-4),
        # Sums of so many terms round too much.
        (lambda e: e.axes["sequence_length"] > 10, 3e-4),
        # Not all of the long ones: there are shorter and longer ones that decide.
        (lambda e: e.axes["sequence_length"] == 100, 3e-4),
        # Shorter than most that decide.
        (lambda e: 1 < e.axes["sequence_length"] < 100, 5e-1),
        # No ordinary feed would decide.
        (lambda e: is_ordinary(e.seed), 5e-1),
    ],
)
def test_provoking_and_far_examples_may_round_more_and_other_ones_decide(
    loud: Callable[[Example], bool], atol: float
) -> None:
    assert _observed(loud=loud).atol == pytest.approx(atol)


def measure_too_small(monkeypatch: pytest.MonkeyPatch, *, limit: float) -> None:
    """Let every measured tolerance be 1e-9, as if it had been measured elsewhere."""
    too_small = Tolerance(Origin.MEASURED, 1e-9, {"logits": 1e-9}, limits={"logits": limit})
    monkeypatch.setattr(
        "harness.judge.measured_tolerance.choose_tolerance", lambda *_, **__: lambda _: too_small
    )


@pytest.mark.parametrize(("limit", "outcome"), [(1.0, Outcome.PASSED), (1e-8, Outcome.FAILED)])
def test_a_tolerance_that_was_measured_elsewhere_grows_to_the_rounding_of_an_example(
    limit: float, outcome: Outcome, larger: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as the limit up to which it can refuse a wrong file."""
    measure_too_small(monkeypatch, limit=limit)
    record = larger.agreement()
    assert record.outcome is outcome
    assert (record.tolerance["logits"] >= 1e-5) is (outcome is Outcome.PASSED)


def test_a_fault_is_refused_though_the_tolerance_may_grow(
    larger: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure_too_small(monkeypatch, limit=1.0)
    path = larger.shift_one_bias(tmp_path / "model.onnx", 0.01)
    (record,) = check(path, larger.model, TASK, requirements=["agreement"]).records
    assert record.outcome is Outcome.FAILED
