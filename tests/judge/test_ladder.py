"""The ladder gives one record for each planned pair, even if the cell raises an error."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from harness import CellId, ExporterError, Outcome, UsageError, judge_cell, register
from harness.configs.architectures.bert import BertOnnxConfig
from harness.configs.axis_space import AxisRange
from harness.exporters import Artifact, get_exporter, register_exporter
from harness.records import Record
from harness.requirements import requirement_ids

TORCHSCRIPT = "bert/text-classification/opset18/torchscript"


class _Exporter:
    """Base of the test exporters; each test overrides `export`."""

    name = "stub"
    opsets = (18,)

    def export(self, model: nn.Module, config: Any, opset: int, output: Path) -> Artifact:
        raise NotImplementedError


def _judge(exporter: _Exporter) -> list[Record]:
    register_exporter(exporter)
    report = judge_cell(CellId.parse("bert/text-classification/opset18/stub"), profile="smoke")
    assert [record.requirement for record in report.records] == requirement_ids(exports_again=False)
    return list(report.records)


def test_a_correct_cell_conforms_and_streams_its_records() -> None:
    seen: list[Record] = []
    report = judge_cell(CellId.parse(TORCHSCRIPT), profile="smoke", on_record=seen.append)
    assert report.conforms
    assert tuple(seen) == report.records


def test_an_exporter_that_refuses_fails_export_and_the_rest_is_skipped() -> None:
    class Refusing(_Exporter):
        def export(self, *_: Any) -> Artifact:
            raise ExporterError("no operator today")

    first, *rest = _judge(Refusing())
    assert first.outcome is Outcome.FAILED
    assert "no operator today" in first.message
    assert {record.outcome for record in rest} == {Outcome.SKIPPED}
    assert all("export failed" in record.message for record in rest)


def test_an_exporter_that_writes_nothing_fails_export() -> None:
    class Empty(_Exporter):
        def export(self, model: nn.Module, config: Any, opset: int, output: Path) -> Artifact:
            return Artifact(OrderedDict(model=output / "model.onnx"), {})

    first, *_ = _judge(Empty())
    assert first.outcome is Outcome.FAILED
    assert "got no file for model" in first.message


def test_an_exporter_that_raises_something_else_is_errored() -> None:
    class Broken(_Exporter):
        def export(self, *_: Any) -> Artifact:
            raise ZeroDivisionError("in the exporter's own code")

    first, *rest = _judge(Broken())
    assert first.outcome is Outcome.ERRORED
    assert first.traceback is not None
    assert {record.outcome for record in rest} == {Outcome.SKIPPED}


def test_an_exporter_that_changes_the_model_fails_export() -> None:
    class Meddling(_Exporter):
        def export(self, model: nn.Module, config: Any, opset: int, output: Path) -> Artifact:
            artifact = get_exporter("torchscript").export(model, config, opset, output)
            with torch.no_grad():
                next(model.parameters()).add_(1.0)
            return artifact

    first, *_ = _judge(Meddling())
    assert first.outcome is Outcome.FAILED
    assert "other eager outputs" in first.message


def test_an_opset_that_is_not_honoured_is_not_applicable_with_the_reason() -> None:
    report = judge_cell(CellId.parse("bert/text-classification/opset25/torchscript"))
    assert {record.outcome for record in report.records} == {Outcome.NOT_APPLICABLE}
    assert "torchscript does not honour opset 25" in report.records[0].message
    assert not report.conforms


def test_a_description_that_declares_what_eager_refuses_fails_agreement() -> None:
    @register("bert", tasks=["text-classification"])
    class TooLong(BertOnnxConfig):
        @property
        def axis_ceilings(self) -> dict[str, int]:
            return {"sequence_length": 80}

    report = judge_cell(
        CellId.parse(TORCHSCRIPT),
        profile="smoke",
        seed=0,
        axes={"sequence_length": 70, "batch_size": 1},
    )
    agreement = report.record("agreement")
    assert agreement.outcome is Outcome.FAILED
    assert agreement.message.startswith("eager PyTorch: got")
    assert agreement.blame == "harness"


def test_a_description_that_eager_never_takes_leaves_the_interface_unproved() -> None:
    @register("bert", tasks=["text-classification"])
    class NeverTaken(BertOnnxConfig):
        AXIS_RANGES = {"sequence_length": AxisRange(70, 80, export=75)}

        @property
        def axis_ceilings(self) -> dict[str, int]:
            return {}

    class Knowing(_Exporter):
        """Ignores the wrong description and exports with the right one."""

        def export(self, model: nn.Module, config: Any, opset: int, output: Path) -> Artifact:
            right = BertOnnxConfig(config.config, task=config.task)
            return get_exporter("torchscript").export(model, right, opset, output)

    interface = next(r for r in _judge(Knowing()) if r.requirement == "interface")
    assert interface.outcome is Outcome.FAILED
    assert interface.message.startswith("eager PyTorch: got")


def test_a_missing_tiny_model_is_errored_for_every_requirement() -> None:
    @register("nobert", tasks=["fill-mask"])
    class Homeless(BertOnnxConfig):
        pass

    report = judge_cell(CellId.parse("nobert/fill-mask/opset18/torchscript"))
    assert {record.outcome for record in report.records} == {Outcome.ERRORED}
    assert "fixtures/models/nobert.json does not exist" in report.records[0].message


@pytest.mark.parametrize(
    "cell", ["brt/fill-mask/opset18/dynamo", "bert/fill/opset18/dynamo", "bert/fill-mask/opset18/d"]
)
def test_a_cell_that_does_not_exist_is_bad_input(cell: str) -> None:
    with pytest.raises(UsageError):
        judge_cell(CellId.parse(cell))


def test_impossible_axes_are_bad_input() -> None:
    with pytest.raises(UsageError, match="size 0 is below 1"):
        judge_cell(CellId.parse(TORCHSCRIPT), axes={"batch_size": 0})


def test_one_example_is_judged_where_axes_are_given() -> None:
    report = judge_cell(CellId.parse(TORCHSCRIPT), axes={"batch_size": 2, "sequence_length": 9})
    agreement = report.record("agreement")
    assert agreement.examples == 1
    assert agreement.covered == {"batch_size": [2], "sequence_length": [9]}
