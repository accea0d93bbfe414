"""Decode exported files with a user's script, without the harness; compare with `generate()`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness import export

SCRIPT = Path(__file__).with_name("greedy.py")
COUNT = 8

DECODERS = ("gpt2", "llama")
TASKS = {
    "gpt2": "text-generation-with-past",
    "llama": "text-generation-with-past",
    "t5": "text2text-generation-with-past",
    "whisper": "automatic-speech-recognition-with-past",
}


def _prompt(architecture: str, model: Any) -> dict[str, torch.Tensor]:
    """Return a prompt of three rows, padded on the left for a decoder, on the right otherwise."""
    generator = torch.Generator().manual_seed(3)
    if architecture == "whisper":
        shape = (3, model.config.num_mel_bins, 2 * model.config.max_source_positions)
        return {"input_features": torch.randn(shape, generator=generator)}
    ids = torch.randint(3, model.config.vocab_size, (3, 6), generator=generator)
    places = torch.arange(6)
    lengths = torch.tensor([[6], [4], [2]])
    mask = places >= 6 - lengths if architecture in DECODERS else places < lengths
    return {
        "input_ids": torch.where(mask, ids, model.config.pad_token_id),
        "attention_mask": mask.to(torch.int64),
    }


def _generated(architecture: str, model: Any, prompt: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the tokens that transformers chooses after the prompt."""
    tokens: torch.Tensor = model.generate(
        **prompt, max_new_tokens=COUNT, do_sample=False, num_beams=1
    )
    return tokens[:, -COUNT:]


def _decode(folder: Path, prompt: Mapping[str, torch.Tensor]) -> list[list[int]]:
    inputs = folder / "inputs.npz"
    arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in prompt.items()}
    np.savez(inputs, **arrays)
    command = [sys.executable, "-I", str(SCRIPT), str(folder), str(inputs), str(COUNT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tokens: list[list[int]] = json.loads(done.stdout)
    return tokens


@pytest.mark.gate_cases(2)
@pytest.mark.parametrize(
    "exporter", [pytest.param("dynamo", marks=pytest.mark.full), "torchscript"]
)
@pytest.mark.parametrize("architecture", TASKS)
def test_exported_files_decode_the_tokens_of_generate(
    architecture: str, exporter: str, subject: Callable[..., Any], tmp_path: Path
) -> None:
    one = subject(architecture, TASKS[architecture])
    export(one.model, one.config, tmp_path, opset=18, exporter=exporter)
    prompt = _prompt(architecture, one.model)
    expected = _generated(architecture, one.model, prompt)
    assert expected.shape == (3, COUNT)
    assert not (expected == one.model.config.eos_token_id).any(), "choose another prompt"
    if architecture not in DECODERS:
        start = torch.full((3, 1), one.model.config.decoder_start_token_id)
        prompt = {**prompt, "decoder_input_ids": start}
    assert _decode(tmp_path, prompt) == expected.tolist()


def test_the_script_imports_nothing_of_the_harness() -> None:
    program = (
        "import runpy, sys; runpy.run_path(sys.argv[1], run_name='decoding'); "
        "print([name for name in sys.modules if name.split('.')[0] in ('harness', 'torch')])"
    )
    command = [sys.executable, "-I", "-c", program, str(SCRIPT)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
