"""A tiny model states all settings that its description reads."""

from __future__ import annotations

from transformers import Emu3Config, Emu3TextConfig

from harness.cli.scaffold_settings import with_read_settings
from harness.configs.middle_end import TextDecoderWithPositionIdsOnnxConfig


def test_settings_of_a_model_of_the_text_alone_are_nested() -> None:
    settings = {"model_type": "emu3", "text_config": {"hidden_size": 64}}
    described = TextDecoderWithPositionIdsOnnxConfig
    found = with_read_settings(settings, described, "text-generation", of=Emu3TextConfig)
    text = Emu3Config().text_config
    assert found["text_config"] == {**found["text_config"], "vocab_size": text.vocab_size}
    assert found["text_config"]["hidden_size"] == 64
    assert "vocab_size" not in found
