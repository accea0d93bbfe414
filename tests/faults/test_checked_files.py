"""`check` refuses edited files of models other than the tiny ones, and names files left out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
)

from harness import Outcome, TasksManager, check, export
from tests.faults.library import Bench
from tests.faults.library.conditions import FROM_ZERO, longer_than, off_where
from tests.faults.library.edits_ends import half
from tests.faults.library.subjects import BERT, LLAMA, T5, Subject
from tests.faults.library.surgery import AllWeights, Edit, Weight

SIZES: dict[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.5,
}


def _bert() -> Any:
    return BertForSequenceClassification(BertConfig(**SIZES))


def _llama() -> Any:
    return LlamaForCausalLM(LlamaConfig(**SIZES, num_key_value_heads=1, pad_token_id=0))


@pytest.mark.gate_cases(1)
@pytest.mark.parametrize(
    ("make", "subject", "edit"),
    [
        (_bert, BERT, Weight("position_embeddings.weight", half)),
        (_llama, LLAMA, off_where(longer_than(30), FROM_ZERO)),
    ],
    ids=["table-cut-in-half", "off-at-ordinary-positions"],
)
def test_an_edited_export_of_another_model_is_refused(
    make: Any, subject: Subject, edit: Edit, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = make().eval()
    find = TasksManager.get_exporter_config_constructor
    config = find("onnx", model, task=subject.task)(model.config)
    path = tmp_path / "model.onnx"
    export(model, config, path, opset=18, exporter="torchscript")
    assert _agreement(path, model, subject) is Outcome.PASSED
    proto = onnx.load(path)
    edit(proto)
    onnx.save(proto, path)
    assert _agreement(path, model, subject) is Outcome.FAILED


def _agreement(path: Path, model: Any, subject: Subject) -> Outcome:
    report = check(path, model, subject.task, requirements=["agreement"], profile="smoke")
    return report.record("agreement").outcome


def test_a_zeroed_file_beside_correct_ones_is_named_as_left_out(
    bench: Bench, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(bench.files(T5), tmp_path / "files"))
    merged = onnx.load(folder / "decoder_model.onnx")
    AllWeights(lambda weight: weight * 0)(merged)
    onnx.save(merged, folder / "decoder_model_merged.onnx")
    scope = check(folder, bench.model(T5), T5.task, requirements=["opset"]).scope
    assert scope is not None
    assert [str(left.file) for left in scope.left_out] == ["decoder_model_merged.onnx"]
    assert "decoder_model_merged.onnx" not in scope.judged
