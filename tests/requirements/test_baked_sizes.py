"""`baked-sizes`: a size that no drawn example reaches is found in the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from harness import (
    Artifact,
    CellId,
    Exporter,
    ExporterError,
    Outcome,
    Record,
    ViTOnnxConfig,
    check,
    judge_cell,
    register,
    register_exporter,
)
from harness.configs.axis_space import AxisSpace
from harness.exporters import get_exporter
from harness.exporters.torchscript import TorchScriptExporter
from harness.judge.profiles import PROFILES
from harness.requirements import requirement_ids
from tests.faults.library.exporter_defects import keeps_sixteen_times_the_traced_images
from tests.faults.library.exporter_kinds import Wrapping
from tests.faults.library.subjects import more_architectures

VIT = "vit/image-classification/opset18"


def _judge(cell: str, exporter: Exporter) -> Record:
    register_exporter(exporter)
    report = judge_cell(CellId.parse(f"{cell}/{exporter.name}"), requirements=["baked-sizes"])
    return report.record("baked-sizes")


@pytest.mark.gate_cases(2)
@pytest.mark.parametrize(
    "exporter", [pytest.param("dynamo", marks=pytest.mark.full), "torchscript"]
)
@pytest.mark.parametrize(
    "cell",
    [
        "vit/image-classification",
        "gpt2/text-generation-with-past",
        "t5~external-data/text2text-generation",
    ],
)
def test_a_correct_export_passes(cell: str, exporter: str) -> None:
    record = _judge(f"{cell}/opset18", get_exporter(exporter))
    assert record.outcome is Outcome.PASSED, record.message


def test_the_node_and_both_sizes_are_named() -> None:
    exporter = Wrapping("drops-images", keeps_sixteen_times_the_traced_images)
    record = _judge(VIT, exporter)
    assert record.outcome is Outcome.FAILED
    assert (
        "(Slice): got int64[1] of 48 from batch_size=3 and int64[1] of 176 from batch_size=11, "
        "expected the same from both ["
    ) in record.message


def _cuts_images_twice(named: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    limit = 20 * int(named["pixel_values"].shape[0])
    return keeps_sixteen_times_the_traced_images(
        {name: tensor[:limit] for name, tensor in named.items()}
    )


def test_other_baked_sizes_are_counted() -> None:
    record = _judge(VIT, Wrapping("cuts-twice", _cuts_images_twice))
    assert record.outcome is Outcome.FAILED
    assert "expected the same from both; 1 more differ [" in record.message


class _Once(TorchScriptExporter):
    """Refuses the second export."""

    name = "wrong-once"

    @property
    def opsets(self) -> tuple[int, ...]:
        return (18,)

    def export(self, model: Any, config: Any, opset: int, output: Path) -> Artifact:
        if output.name == "again":
            raise ExporterError("out of luck")
        return super().export(model, config, opset, output)


def test_an_exporter_that_can_export_only_one_size_fails() -> None:
    record = _judge(VIT, _Once())
    assert record.outcome is Outcome.FAILED
    assert record.message.startswith("export from batch_size=11: got out of luck, expected a file")


class _FixedSizes(ViTOnnxConfig):
    """Has the same sizes in both exports."""

    @property
    def axis_space(self) -> AxisSpace:
        return AxisSpace.over(["batch_size"], overrides={}, ceilings={})


def test_a_description_that_ignores_the_second_sizes_is_an_error() -> None:
    with more_architectures():
        register("vit", tasks=["image-classification"])(_FixedSizes)
        record = _judge(VIT, get_exporter("torchscript"))
    assert record.outcome is Outcome.ERRORED
    assert "_FixedSizes: got batch_size=3 in both exports" in record.message


def test_given_files_are_not_exported_again(
    exported: Callable[..., Path], subject: Callable[..., Any]
) -> None:
    path, model = exported("bert", "fill-mask"), subject("bert", "fill-mask").model
    report = check(path, model, "fill-mask", opset=18, requirements=["baked-sizes"])
    record = report.record("baked-sizes")
    assert record.outcome is Outcome.NOT_APPLICABLE
    assert "so the harness cannot export them again" in record.message


@pytest.mark.parametrize("profile", PROFILES)
def test_only_the_nightly_profile_plans_it(profile: str) -> None:
    planned = requirement_ids(exports_again=PROFILES[profile].exports_again)
    assert ("baked-sizes" in planned) is (profile == "nightly")
