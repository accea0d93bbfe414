"""`sensitivity` refuses files that ignore an input; it is inconclusive if eager ignores it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from harness import CellId, CellReport, Outcome, Record, check, export, judge_cell
from harness.requirements.sensitivity import REQUIREMENT

Named = dict[str, torch.Tensor]
Run = Callable[[Named], Named]
Fault = Callable[[Run, Named], Named]
Judge = Callable[..., CellReport]

GENERATION = "gpt2/text-generation-with-past"
TRANSLATION = "t5/text2text-generation-with-past"
WITH_PAST = "decoder_with_past_model"


@pytest.mark.gate_cases(2)
@pytest.mark.parametrize(
    "cell",
    [
        "bart/text-classification",
        "bert/fill-mask",
        "clip/zero-shot-image-classification",
        GENERATION,
        "llama/text-generation-with-past",
        TRANSLATION,
        "vit/image-classification",
        "whisper/automatic-speech-recognition-with-past",
    ],
)
def test_a_correct_export_passes(cell: str) -> None:
    report = judge_cell(
        CellId.parse(f"{cell}/opset18/torchscript"), requirements=["sensitivity"], profile="smoke"
    )
    assert report.conforms, report.records[0].message
    assert report.records[0].examples == REQUIREMENT.sample


def _counts_positions_itself(run: Run, named: Named) -> Named:
    counted = torch.ones_like(named["position_ids"]).cumsum(-1) - 1
    return run({**named, "position_ids": counted})


def _ignores_token_types(run: Run, named: Named) -> Named:
    return run({**named, "token_type_ids": torch.zeros_like(named["token_type_ids"])})


def _forgets(*forgotten: str) -> Fault:
    """Compute with zeros instead of some past tensors, but return the whole cache."""

    def fault(run: Run, named: Named) -> Named:
        if any(name not in named for name in forgotten):
            return run(named)
        without = run({**named, **{n: torch.zeros_like(named[n]) for n in forgotten}})
        copies = {n: tensor for n, tensor in run(named).items() if n.startswith("present")}
        return {**without, **copies}

    return fault


@pytest.mark.gate_cases(3)
@pytest.mark.parametrize(
    ("cell", "fault", "name"),
    [
        ("bert/fill-mask", _ignores_token_types, "token_type_ids"),
        (GENERATION, _counts_positions_itself, "position_ids"),
        (GENERATION, _forgets("past_key_values.1.key"), "past_key_values.1.key"),
        (GENERATION, _forgets("past_key_values.1.value"), "past_key_values.1.value"),
        (TRANSLATION, _forgets("past_key_values.1.encoder.key"), "past_key_values.1.encoder.key"),
    ],
)
def test_an_ignored_input_is_refused_and_named(
    cell: str, fault: Fault, name: str, judge_fault: Judge
) -> None:
    record = judge_fault(cell, fault, "sensitivity").record("sensitivity")
    assert record.outcome is Outcome.FAILED
    assert f": got a movement of 0 when {name} alone is redrawn (" in record.message
    assert record.blame == "exporter"
    assert record.part == (WITH_PAST if cell == TRANSLATION else "model")


def _ignores_token_types_for_one_output(run: Run, named: Named) -> Named:
    untyped = run({**named, "token_type_ids": torch.zeros_like(named["token_type_ids"])})
    return {**run(named), "end_logits": untyped["end_logits"]}


def test_every_output_that_reacts_in_eager_must_react(judge_fault: Judge) -> None:
    report = judge_fault(
        "bert/question-answering", _ignores_token_types_for_one_output, "sensitivity"
    )
    assert "end_logits: got a movement of 0 when token_type" in report.records[0].message


def _judge_tame(
    subject: Callable[..., Any], path: Path, cell: str, spoil: Callable[[Any], torch.Tensor]
) -> Record:
    """Judge a correct export of a model in which one weight is zero."""
    one = subject(*cell.split("/"))
    tame = copy.deepcopy(one.model)
    with torch.no_grad():
        spoil(tame).zero_()
    export(tame, one.config, path, opset=18, exporter="torchscript")
    task = one.config.task
    report = check(path, tame, task, opset=18, requirements=["sensitivity"], profile="smoke")
    return report.records[0]


def test_an_input_that_eager_ignores_is_inconclusive(
    subject: Callable[..., Any], tmp_path: Path
) -> None:
    record = _judge_tame(
        subject,
        tmp_path,
        "bert/fill-mask",
        lambda model: model.bert.embeddings.token_type_embeddings.weight,
    )
    assert record.outcome is Outcome.INCONCLUSIVE
    assert "the reference moves by at most 0 when token_type_ids is redrawn" in record.message


def test_returning_the_past_is_no_reaction_to_it(
    subject: Callable[..., Any], tmp_path: Path
) -> None:
    """Without the projection after it, attention to the past of a layer has no effect."""
    record = _judge_tame(
        subject, tmp_path, GENERATION, lambda model: model.transformer.h[1].attn.c_proj.weight
    )
    assert record.outcome is Outcome.INCONCLUSIVE
    assert "when past_key_values.1.key is redrawn" in record.message
