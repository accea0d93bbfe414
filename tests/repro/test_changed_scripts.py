"""Real scripts export a model that is changed as its description says, and compare with another."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from harness import BertOnnxConfig
from harness.evidence.models import read_tiny
from harness.records import CellId
from harness.repro.script import ScriptCase, script_text
from harness.repro.trial import DEFECT, NO_DEFECT, run_script
from tests.repro.script_cases import cases


class Doubles(BertOnnxConfig):
    """A patch that is wrong: it changes results."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        model.forward = functools.partial(doubled, model.forward)
        return model


def doubled(forward: Callable[..., Any], **keywords: torch.Tensor) -> Any:
    outputs = forward(**keywords)
    outputs["logits"] = outputs["logits"] * 2
    return outputs


def case_of(cell: str, part: str, **sizes: int) -> ScriptCase:
    """Return the case of a part of a cell, with a feed of these sizes."""
    parsed = CellId.parse(cell)
    perturbation = read_tiny(parsed.architecture)["perturbation"]
    found = cases(parsed.architecture, parsed.task, cell=parsed, perturbation=perturbation)
    case = next(one for one in found if one.part == part)
    return dataclasses.replace(case, feed=case.config.generate_dummy_inputs(**sizes))


def without_changes(text: str) -> str:
    """Return a script that exports a model which nothing changed."""
    head, call, tail = text.rpartition("run_and_exit(")
    return head + call + tail.replace("make_changed_", "make_")


@pytest.mark.full
def test_the_script_of_a_description_that_patches_agrees_only_with_its_patch() -> None:
    cell = "mamba/text-generation/opset18/torchscript"
    text = script_text(case_of(cell, "model", sequence_length=11))
    run = run_script(text)
    assert run.status == NO_DEFECT, (run.printed, run.last_error)
    assert run_script(without_changes(text)).status == DEFECT


@pytest.mark.full
def test_a_wrong_patch_shows_since_eager_runs_another_model() -> None:
    (case,) = cases("bert", "fill-mask", cell=CellId.parse("bert/fill-mask/opset18/torchscript"))
    text = script_text(dataclasses.replace(case, config=Doubles(case.config.config, "fill-mask")))
    run = run_script(text)
    assert run.status == DEFECT, (run.printed, run.last_error)
    assert "logits: max_abs_diff" in run.printed
    assert run_script(without_changes(text)).status == NO_DEFECT


@pytest.mark.full
@pytest.mark.parametrize(
    ("cell", "part", "sizes"),
    [
        ("qwen3_next/text-generation/opset18/dynamo", "model", {"sequence_length": 11}),
        (
            "granitemoehybrid/text-generation-with-past/opset18/torchscript",
            "decoder_model",
            {"sequence_length": 11},
        ),
        ("qwen2_vl/image-text-to-text/opset18/torchscript", "vision_encoder", {"num_images": 2}),
        ("llava/image-text-to-text/opset18/torchscript", "vision_encoder", {"num_images": 3}),
        ("swin/image-classification/opset18/torchscript", "model", {"height": 16, "width": 44}),
    ],
)
def test_parts_and_methods_are_changed_in_the_whole_model(
    cell: str, part: str, sizes: dict[str, int]
) -> None:
    text = script_text(case_of(cell, part, **sizes))
    run = run_script(text)
    assert run.status == NO_DEFECT, (run.printed, run.last_error)
    assert run_script(without_changes(text)).status != NO_DEFECT


@pytest.mark.full
def test_what_the_exporter_changes_first_is_in_the_script() -> None:
    case = case_of("bart/text-classification/opset11/torchscript", "model", sequence_length=11)
    text = script_text(dataclasses.replace(case, is_prepared=True))
    changes = (
        "CHANGES = [\n"
        "    lambda model: TorchScriptExporter().prepare(model, OPSET),\n"
        "    BartReaderOnnxConfig().patch_model_for_export,\n"
        "]\n"
    )
    assert changes in text
    run = run_script(text)
    assert run.status == NO_DEFECT, (run.printed, run.last_error)
    unprepared = changes.replace("lambda model: TorchScriptExporter().prepare(model, OPSET),", "")
    assert run_script(text.replace(changes, unprepared)).status != NO_DEFECT
