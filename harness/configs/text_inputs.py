"""Dummy inputs of text models: token ids, masks, token types and positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from harness.configs.dummy_inputs import DummyInputGenerator, dense_shape
from harness.configs.feed_generators import Dims
from harness.configs.special_tokens import special_ids_of_texts

if TYPE_CHECKING:
    import torch


class DummyTextInputGenerator(DummyInputGenerator):
    """Token ids, masks, token types and positions, all int64 of shape [batch, ..., length]."""

    SUPPORTED_INPUT_NAMES: ClassVar[tuple[str, ...]] = (
        "input_ids",
        "attention_mask",
        "token_type_ids",
        "position_ids",
    )
    MODALITY = "text"

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        shape = dense_shape(name, dims)
        match name:
            case "input_ids":
                return self._ids(shape)
            case "attention_mask":
                return self._mask(shape)
            case "token_type_ids":
                return self._integers(0, self.normalized_config.type_vocab_size, shape)
            case _:
                return self._positions(shape)

    def ordinary(self, name: str, dims: Dims, *, past: int) -> torch.Tensor:
        """Return plain tokens of one type, a mask of ones, and consecutive positions."""
        import torch

        shape = dense_shape(name, dims)
        match name:
            case "input_ids":
                return self._plain_ids(shape)
            case "attention_mask":
                return torch.ones(shape, dtype=torch.int64)
            case "token_type_ids":
                return torch.zeros(shape, dtype=torch.int64)
            case "position_ids":
                return torch.arange(past, past + shape[-1]).expand(shape).clone()
            case _:
                return self.generate(name, dims)

    def reaching(self, name: str, dims: Dims, *, number: int) -> torch.Tensor:
        """Return positions whose last one is the last before a bound; other inputs as drawn."""
        if name != "position_ids" or not (reaches := self.normalized_config.position_reaches):
            return self.generate(name, dims)
        return self._positions(dense_shape(name, dims), reach=reaches[number % len(reaches)])

    def follow_masks(
        self, name: str, tensor: torch.Tensor, masks: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Count positions over the mask, as transformers' `generate()` does."""
        if name != "position_ids" or "attention_mask" not in masks:
            return tensor
        counted = masks["attention_mask"].cumsum(dim=-1) - 1
        return counted.clamp(min=0)[..., -tensor.shape[-1] :].expand(tensor.shape).clone()

    def redraw(
        self, name: str, tensor: torch.Tensor, places: torch.Tensor, dims: Dims
    ) -> torch.Tensor:
        """Positions stay, since they would no longer increase. So do ids with a meaning of their
        own, and none is added: models count them, and pool where they stand."""
        if name == "position_ids":
            return tensor
        if name.endswith("input_ids"):
            other = self.generate(name, dims)
            is_plain = ~(self._is_special(tensor) | self._is_special(other))
            return other.where(places & is_plain, tensor)
        return super().redraw(name, tensor, places, dims)

    def pad(self, name: str, tensor: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        pad = getattr(self.normalized_config.config, "pad_token_id", None)
        if pad is None or not name.endswith("input_ids"):
            return tensor
        return tensor.masked_fill(places & ~self._is_special(tensor), pad)

    def _is_special(self, ids: torch.Tensor) -> torch.Tensor:
        import torch

        special = sorted(self._special_ids(self.normalized_config.vocab_size))
        return torch.isin(ids, torch.tensor(special, dtype=ids.dtype))

    def _ids(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Uniform over the vocabulary, about one in four drawn from its edges and special ids."""
        import torch

        vocabulary = self.normalized_config.vocab_size
        edges = torch.tensor(sorted({0, vocabulary - 1, *self._special_ids(vocabulary)}))
        planted = edges[self._integers(0, len(edges), shape)]
        use_planted = self._integers(0, 4, shape) == 0
        return torch.where(use_planted, planted, self._integers(0, vocabulary, shape))

    def _plain_ids(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Uniform over the ids that are not special; over all ids if every id is special."""
        import torch

        ids = torch.arange(self.normalized_config.vocab_size)
        plain = ids[~self._is_special(ids)]
        chosen = plain if len(plain) else ids
        return chosen[self._integers(0, len(chosen), shape)]

    def _special_ids(self, vocabulary: int) -> set[int]:
        ids = special_ids_of_texts(self.normalized_config.config)
        return {i for i in ids if i < vocabulary}

    def _mask(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Rows of ones, of right padding and of holes. The first position is always kept, so
        that every query of a causal model sees a key: what a row without any key yields is not
        defined (the `padding` requirement is about those). So is every multiple of an attention
        window, since any span of that many positions holds one."""
        import torch

        length = shape[-1]
        window = getattr(self.normalized_config, "attention_window", None)
        rows = (*shape[:-1], 1)
        kind = self._integers(0, 3, rows)
        kept = self._integers(1, length + 1, rows)
        holes = self._integers(0, 3, shape) > 0
        padded = torch.arange(length) < kept
        mask = torch.where(kind == 0, True, torch.where(kind == 1, padded, holes))
        mask[..., :: window or length] = True
        return mask.to(torch.int64)

    def _positions(self, shape: tuple[int, ...], *, reach: int | None = None) -> torch.Tensor:
        """Increasing positions with gaps, another set for each row: rotary models do not react
        to a shift, and neither does a file that counts from zero on its own.

        All are below `reach`, and one row has the last of these. Without one, it is drawn
        log-uniformly, so that short and long reaches are as likely.
        """
        import torch

        length, last = shape[-1], self.normalized_config.drawn_positions
        if reach is None:
            share = torch.rand((), generator=self.generator).item()
            reach = round(length * (max(last, length) / max(length, 1)) ** share)
        room = max(reach, length) - length
        gaps = torch.rand(shape, generator=self.generator, dtype=torch.float64)
        gaps = (gaps * (room + 1)).to(torch.int64).sort(dim=-1).values
        gaps[..., :1, -1:] = room
        return gaps + torch.arange(length)


class DummySeq2SeqDecoderTextInputGenerator(DummyTextInputGenerator):
    """What a decoder takes: its own tokens, and the encoder's output with the mask over it."""

    SUPPORTED_INPUT_NAMES = (
        "decoder_input_ids",
        "input_ids",
        "encoder_attention_mask",
        "encoder_hidden_states",
    )
    MODALITY = "decoder"

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        match name:
            case "encoder_hidden_states":
                length = self._size(dims, 1, or_else="max_source_positions")
                return self._normal((dims[0], length, self.whole_config.encoder_hidden_size))
            case "encoder_attention_mask":
                return self._mask(dense_shape(name, dims))
            case _:
                return self._ids(dense_shape(name, dims))

    def ordinary(self, name: str, dims: Dims, *, past: int) -> torch.Tensor:
        """Return plain tokens, with the start token first if there is no past, and a mask of
        ones."""
        import torch

        match name:
            case "encoder_hidden_states":
                return self.generate(name, dims)
            case "encoder_attention_mask":
                return torch.ones(dense_shape(name, dims), dtype=torch.int64)
        ids = self._plain_ids(dense_shape(name, dims))
        start = getattr(self.normalized_config.config, "decoder_start_token_id", None)
        if past == 0 and start is not None:
            ids[..., 0] = start
        return ids
