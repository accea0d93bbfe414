"""Numbers of a configuration at which a model may change its behaviour along an axis."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


class LandmarkKind(enum.Enum):
    """What a number of a configuration says.

    - `END`: the length of a table, at which an axis may end.
    - `WINDOW`: a length from which on the model attends in another way.
    - `IMAGE`: the height and width of the images that the model is made for.
    - `STRIDE`: a number of which sizes may have to be multiples.
    """

    END = "end"
    WINDOW = "window"
    IMAGE = "image"
    STRIDE = "stride"


LANDMARKS: Mapping[str, LandmarkKind] = {
    "attention_chunk_size": LandmarkKind.WINDOW,
    "attention_window": LandmarkKind.WINDOW,
    "block_size": LandmarkKind.WINDOW,
    "chunk_size": LandmarkKind.WINDOW,
    "context_length": LandmarkKind.END,
    "conv_kernel": LandmarkKind.STRIDE,
    "conv_stride": LandmarkKind.STRIDE,
    "global_block_size": LandmarkKind.WINDOW,
    "image_size": LandmarkKind.IMAGE,
    "local_radius": LandmarkKind.WINDOW,
    "mamba_chunk_size": LandmarkKind.WINDOW,
    "max_2d_position_embeddings": LandmarkKind.END,
    "max_decoder_position_embeddings": LandmarkKind.END,
    "max_encoder_position_embeddings": LandmarkKind.END,
    "max_position_embeddings": LandmarkKind.END,
    "max_sequence_length": LandmarkKind.END,
    "max_source_positions": LandmarkKind.END,
    "max_target_positions": LandmarkKind.END,
    "n_positions": LandmarkKind.END,
    "original_max_position_embeddings": LandmarkKind.WINDOW,
    "patch_length": LandmarkKind.STRIDE,
    "patch_size": LandmarkKind.STRIDE,
    "patch_stride": LandmarkKind.STRIDE,
    "position_buckets": LandmarkKind.WINDOW,
    "relative_attention_max_distance": LandmarkKind.WINDOW,
    "sliding_window": LandmarkKind.WINDOW,
    "spatial_merge_size": LandmarkKind.STRIDE,
    "temporal_patch_size": LandmarkKind.STRIDE,
    "window_size": LandmarkKind.WINDOW,
}
"""Attribute of a configuration, at any depth -> what its number says."""

_LARGEST = 512
"""Larger numbers belong to no tiny model; a call of this length would cost seconds."""


@dataclass(frozen=True, slots=True, order=True)
class Landmark:
    """A number of a configuration, with the path of attributes that holds it."""

    path: str
    value: int

    @property
    def kind(self) -> LandmarkKind:
        return LANDMARKS[self.path.rpartition(".")[2]]


def read_landmarks(settings: Mapping[str, Any]) -> tuple[Landmark, ...]:
    """Return the landmarks among the settings of a configuration, as `to_dict` returns them."""
    return tuple(dict.fromkeys(_landmarks(settings, "")))


def _landmarks(settings: Mapping[str, Any], path: str) -> Iterator[Landmark]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _landmarks(value, f"{path}{name}.")
        elif name in LANDMARKS:
            numbers = value if isinstance(value, (list, tuple)) else [value]
            for number in numbers:
                if type(number) is int and 1 < number <= _LARGEST:
                    yield Landmark(f"{path}{name}", number)
