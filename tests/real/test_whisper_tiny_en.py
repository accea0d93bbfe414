"""A real Whisper, tiny.en, transcribes sounds alike in eager and in its files."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import WhisperFeatureExtractor

from harness import TasksManager, export
from tests.real.packages import SAMPLING_RATE, read_sound, whisper_tiny_en
from tests.real.user_loops import cut_at, transcribe
from tests.real.wrong_files import exchange_cache_rows

pytestmark = pytest.mark.full

TASK = "automatic-speech-recognition-with-past"
SPOKEN = {
    "beckett.wav": "No matter, try again. Fail again. Fail better.",
    "clone-test.wav": "do it very well",
    "two_cities.wav": "It was the best of times, it was the worst of times.",
}
"""Sound -> words in it. Of the last one, Whisper reads the first half minute."""
WORDS = [*SPOKEN.values()]


@dataclass(frozen=True, slots=True)
class Exported:
    """The model and its files, with the spectrograms of the sounds and what eager writes down."""

    model: Any
    tokenizer: Any
    folder: Path
    features: Any
    tokens: Sequence[Sequence[int]]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    model, tokenizer = whisper_tiny_en()
    config = TasksManager.get_exporter_config_constructor("onnx", model, task=TASK)(model.config)
    folder = tmp_path_factory.mktemp("whisper")
    export(model, config, folder)
    sounds = [read_sound(name) for name in SPOKEN]
    extract = WhisperFeatureExtractor()
    features = extract(sounds, sampling_rate=SAMPLING_RATE, return_tensors="np").input_features
    with torch.no_grad():
        generated = model.generate(torch.tensor(features), do_sample=False, num_beams=1)
    end = model.generation_config.eos_token_id
    tokens = [cut_at(row, end) for row in generated.tolist()]
    return Exported(model, tokenizer, folder, features, tokens)


@pytest.mark.parametrize("rows", [slice(1), slice(None)], ids=["alone", "batch"])
def test_sounds_are_transcribed_alike(exported: Exported, rows: slice) -> None:
    settings = exported.model.generation_config
    got = transcribe(exported.folder, exported.features[rows], settings)
    assert got == exported.tokens[rows]
    texts = exported.tokenizer.batch_decode(got)
    assert [w for w, text in zip(WORDS[rows], texts, strict=True) if w not in text] == []


def test_files_that_exchange_the_rows_of_their_cache_write_other_words(
    exported: Exported, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(exported.folder, tmp_path / "wrong"))
    stem = "decoder_with_past_model.onnx"
    exchange_cache_rows(exported.folder / stem, folder / stem)
    settings = exported.model.generation_config
    got = transcribe(folder, exported.features[:2], settings)
    assert all(one != other for one, other in zip(got, exported.tokens[:2], strict=True))
