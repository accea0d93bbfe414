"""The lengths that a text model states: its last position, and where it behaves differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.configs.normalized_config import NormalizedConfig, NormalizedTextConfig


def landmark_lengths(text: NormalizedConfig) -> Sequence[int]:
    """Return the lengths around which a text model behaves differently, besides its longest."""
    window = (text.attention_window,) if text.has_attribute("attention_window") else ()
    return (*window, *(text.rope_switches if isinstance(text, NormalizedTextConfig) else ()))


def up_to_last_position(axis: str, text: NormalizedConfig) -> Mapping[str, int]:
    """Return a ceiling on `axis` if the model has a table of positions and no way past it."""
    goes_past = isinstance(text, NormalizedTextConfig) and text.goes_past_table
    if goes_past or not text.has_attribute("max_positions"):
        return {}
    return {axis: text.max_positions}


def decoder_ceilings(text: NormalizedConfig) -> Mapping[str, int]:
    """Return ceilings on the tokens of a decoder, alone and after a past."""
    return {
        **up_to_last_position("decoder_sequence_length", text),
        **up_to_last_position("past_decoder_sequence_length + decoder_sequence_length", text),
    }
