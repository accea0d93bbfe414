"""Seeded dummy inputs, one generator class per family of input names.

A generator fills a tensor whose declared axes have been resolved to sizes; it adds the static
dimensions that the model's configuration fixes. `generate` gives values that expose defects,
`ordinary` the values that users have most often (`harness.configs.feeds.FeedKind`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from harness.errors import DescriptionError

if TYPE_CHECKING:
    import torch

    from harness.configs.normalized_config import NormalizedConfig

Dims = Mapping[int, int]

MASK_INPUTS = frozenset({"attention_mask", "encoder_attention_mask"})
"""Inputs that say which places of others count: 1 shows a place, 0 hides it."""


class DummyInputGenerator(ABC):
    """Makes the values of the inputs that it supports.

    `MODALITY` names the nested configuration that they follow, where a model has several; without
    one they follow the whole.
    """

    SUPPORTED_INPUT_NAMES: ClassVar[tuple[str, ...]] = ()
    MODALITY: ClassVar[str] = ""
    IMAGE_AXES: ClassVar[tuple[int, ...]] = ()
    """The axes of channels, height and width, if the inputs are images."""

    def __init__(
        self, task: str, normalized_config: NormalizedConfig, generator: torch.Generator
    ) -> None:
        self.task = task
        self.whole_config = normalized_config
        self.normalized_config = normalized_config.of_modality(self.MODALITY)
        self.generator = generator

    @classmethod
    def supports_input(cls, name: str) -> bool:
        """Whether `name` is one of ours; a supported `past_key_values` covers its layers."""
        return name in cls.SUPPORTED_INPUT_NAMES or name.split(".")[0] in cls.SUPPORTED_INPUT_NAMES

    @abstractmethod
    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        """The input `name`, its declared axes having the sizes `dims` (axis index -> size)."""

    def ordinary(self, name: str, dims: Dims, *, past: int) -> torch.Tensor:
        """Return the commonest values of an input, for tokens that follow `past` earlier ones.

        The default is `generate`, for inputs that have no commoner values, such as pixels.
        """
        return self.generate(name, dims)

    def reaching(self, name: str, dims: Dims, *, number: int) -> torch.Tensor:
        """Return provoking values that end at one of the bounds of the model.

        `number`, modulo the number of bounds, chooses the bound. The default is `generate`, for
        inputs whose values have no bound.
        """
        return self.generate(name, dims)

    def follow_masks(
        self, name: str, tensor: torch.Tensor, masks: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Return the values that users derive from the masks of a feed, such as positions.

        The default is the tensor itself.
        """
        return tensor

    def redraw(
        self, name: str, tensor: torch.Tensor, places: torch.Tensor, dims: Dims
    ) -> torch.Tensor:
        """`tensor` with other values at `places`, booleans that broadcast to it."""
        import torch

        return torch.where(places, self.generate(name, dims), tensor)

    def pad(self, name: str, tensor: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """`tensor` with what a preprocessor writes at `places` where it pads, if that is known."""
        return tensor

    def _size(self, dims: Dims, axis: int, *, or_else: str) -> int:
        """The size of a dynamic axis, or of a static one the configuration's."""
        return dims[axis] if axis in dims else int(getattr(self.normalized_config, or_else))

    def _integers(self, low: int, high: int, shape: tuple[int, ...]) -> torch.Tensor:
        """Uniform int64 values in [low, high)."""
        import torch

        return torch.randint(low, high, shape, generator=self.generator, dtype=torch.int64)

    def _normal(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Standard normal float32 values."""
        import torch

        return torch.randn(shape, generator=self.generator, dtype=torch.float32)


DummyInputGenerators = tuple[type[DummyInputGenerator], ...]


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
        shape = _dense_shape(name, dims)
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

        shape = _dense_shape(name, dims)
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
        return self._positions(_dense_shape(name, dims), reach=reaches[number % len(reaches)])

    def follow_masks(
        self, name: str, tensor: torch.Tensor, masks: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Count positions over the mask, as transformers' `generate()` does."""
        if name != "position_ids" or "attention_mask" not in masks:
            return tensor
        counted = masks["attention_mask"].cumsum(dim=-1) - 1
        return counted.clamp(min=0)[..., -tensor.shape[-1] :]

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
        """Uniform over the ids without a meaning of their own; over all ids if there are none."""
        import torch

        ids = torch.arange(self.normalized_config.vocab_size)
        plain = ids[~self._is_special(ids)]
        chosen = plain if len(plain) else ids
        return chosen[self._integers(0, len(chosen), shape)]

    def _special_ids(self, vocabulary: int) -> set[int]:
        config = self.normalized_config.config
        names = ("pad", "bos", "eos", "cls", "sep", "mask", "unk", "decoder_start")
        ids = (getattr(config, f"{name}_token_id", None) for name in names)
        return {i for i in ids if isinstance(i, int) and 0 <= i < vocabulary}

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


class DummyPastKeyValuesGenerator(DummyInputGenerator):
    """Keys and values of earlier tokens: float32 [batch, key-value heads, past, head size], where
    those of keys and of values may have different sizes."""

    SUPPORTED_INPUT_NAMES = ("past_key_values",)
    MODALITY = "text"

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        config = self.normalized_config
        size = config.value_head_dim if name.endswith(".value") else config.head_dim
        return self._normal((dims[0], config.num_key_value_heads, dims[2], size))


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
                return self._mask(_dense_shape(name, dims))
            case _:
                return self._ids(_dense_shape(name, dims))

    def ordinary(self, name: str, dims: Dims, *, past: int) -> torch.Tensor:
        """Return plain tokens, with the start token first if there is no past, and a mask of
        ones."""
        import torch

        match name:
            case "encoder_hidden_states":
                return self.generate(name, dims)
            case "encoder_attention_mask":
                return torch.ones(_dense_shape(name, dims), dtype=torch.int64)
        ids = self._plain_ids(_dense_shape(name, dims))
        start = getattr(self.normalized_config.config, "decoder_start_token_id", None)
        if past == 0 and start is not None:
            ids[..., 0] = start
        return ids


class DummySeq2SeqPastKeyValuesGenerator(DummyInputGenerator):
    """Keys and values of the decoder's earlier tokens and of the encoder's output: float32
    [batch, decoder heads, past or encoder length, head size]."""

    SUPPORTED_INPUT_NAMES = ("past_key_values",)
    MODALITY = "decoder"

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        config = self.normalized_config
        length = self._size(dims, 2, or_else="max_source_positions")
        return self._normal((dims[0], config.num_key_value_heads, length, config.head_dim))


class DummyAudioInputGenerator(DummyInputGenerator):
    """Sound: `input_features`, a float32 log-mel spectrogram [batch, mel bins, frames], or
    `input_values`, a float32 waveform [batch, samples] of zero mean and unit variance."""

    SUPPORTED_INPUT_NAMES = ("input_features", "input_values")
    MODALITY = "audio"

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        if name == "input_values":
            return self._normal(_dense_shape(name, dims))
        frames = self._size(dims, 2, or_else="num_frames")
        return self._normal((dims[0], self.normalized_config.num_mel_bins, frames))


class DummyBboxInputGenerator(DummyInputGenerator):
    """Bounding boxes of words: int64 [batch, ..., length, 4], left, top, right, bottom with
    left <= right and top <= bottom, up to the model's last two-dimensional position."""

    SUPPORTED_INPUT_NAMES = ("bbox",)
    MODALITY = "text"

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        import torch

        reach = self.normalized_config.max_2d_position_embeddings
        corners = self._integers(0, reach, (*_dense_shape(name, dims), 2, 2)).sort(dim=-2).values
        return torch.flatten(corners, start_dim=-2)


class DummyVisionInputGenerator(DummyInputGenerator):
    """Pixels: float32 [batch, channels, height, width], the model's sizes where not dynamic."""

    SUPPORTED_INPUT_NAMES = ("pixel_values",)
    IMAGE_AXES = (1, 2, 3)
    MODALITY = "vision"

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        height, width = self.normalized_config.image_height_width
        channels = self.normalized_config.num_channels
        return self._normal(
            (dims[0], dims.get(1, channels), dims.get(2, height), dims.get(3, width))
        )


def _dense_shape(name: str, dims: Dims) -> tuple[int, ...]:
    if sorted(dims) != list(range(len(dims))):
        raise DescriptionError(f"input {name}: every axis is dynamic, declared are {sorted(dims)}")
    return tuple(dims[axis] for axis in range(len(dims)))
