"""Models over protobuf's limit of 2 GiB: exported with external data, and judged by path."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from transformers import BertConfig, BertModel

from harness import BertOnnxConfig, check, export

GIB = 1 << 30


@pytest.mark.nightly
@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_a_model_of_more_than_2_gib_is_exported_and_agrees(exporter: str, tmp_path: Path) -> None:
    shape = {"hidden_size": 768, "num_hidden_layers": 1, "intermediate_size": 512}
    model = BertModel(
        BertConfig(vocab_size=720_000, num_attention_heads=4, max_position_embeddings=64, **shape)
    ).eval()
    written = tmp_path / "written"
    export(model, BertOnnxConfig(model.config), written, opset=18, exporter=exporter)
    assert (written / "model.onnx").stat().st_size < GIB
    assert sum(file.stat().st_size for file in written.iterdir()) > 2 * GIB
    moved = written.rename(tmp_path / "moved")
    report = check(moved, model, "feature-extraction", opset=18, profile="smoke")
    shutil.rmtree(moved)  # pytest would keep it for three runs
    assert report.conforms, [record.message for record in report.records]
