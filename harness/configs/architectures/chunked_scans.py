"""Decoders that have some layers of Mamba 2, which keep states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.configs.cache_layout import CacheEntry, state
from harness.configs.gathered_chunks import GathersChunks
from harness.configs.recurrent import TextRecurrentDecoderOnnxConfig


class ScansChunks(GathersChunks, TextRecurrentDecoderOnnxConfig):
    """A decoder of which such layers keep states, whose sizes are the settings `mamba_...`."""

    @property
    def chunk_size(self) -> int:
        """Tokens of a chunk."""
        return int(self.config.mamba_chunk_size)

    def states(self, layer: int) -> Iterator[CacheEntry]:
        """Yield the states of a layer: of its convolution and of its recurrence.

        Their sizes are the settings `mamba_...`, as in models that have other layers too.
        """
        config = self.config
        heads = (config.mamba_n_heads, config.mamba_d_head)
        channels = heads[0] * heads[1] + 2 * config.mamba_n_groups * config.mamba_d_state
        yield state(layer, "conv", "conv_states[0]", (channels, config.mamba_d_conv))
        yield state(layer, "recurrent", "recurrent_states[0]", (*heads, config.mamba_d_state))

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        landmarks = super().axis_landmarks
        if self.STEP_AXIS not in landmarks:
            return landmarks
        return {**landmarks, self.STEP_AXIS: (*landmarks[self.STEP_AXIS], self.chunk_size)}
