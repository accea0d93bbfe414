"""Sizes of inputs that a configuration states, under one of several names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.configs.special_tokens import special_ids
from harness.inference.configuration.settings import Path, are_sizes, is_size, nodes, read

_VISION = ("vision", "image", "backbone", "video")
_AUDIO = ("audio", "speech", "encoder")

_TABLE: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], int]] = {
    "channels": (
        (
            *("num_channels", "in_channels", "in_chans", "channels", "image_channels"),
            *("input_channels", "n_channels"),
        ),
        _VISION,
        3,
    ),
    "mel": (
        (
            *("num_mel_bins", "feature_size", "input_feat_size", "num_mels", "mel_bins"),
            *("feature_projection_input_dim", "n_mels", "input_dim", "num_features", "idim"),
            *("model_in_dim", "input_features_dim"),
        ),
        _AUDIO,
        80,
    ),
    "hidden": (("hidden_size", "d_model", "embed_dim", "hidden_dim"), ("text",), 64),
    "codebooks": (("num_codebooks", "n_codes_total", "num_quantizers"), ("decoder",), 2),
    "codebook": (("codebook_size", "vocab_size"), ("decoder",), 64),
    "decoder_vocabulary": (("decoder_vocab_size", "vocab_size"), ("decoder", "text"), 64),
    "video_frames": (("num_frames", "frames_per_clip", "video_length"), _VISION, 4),
    "patch": (("patch_size", "spatial_patch_size"), _VISION, 16),
    "temporal": (("temporal_patch_size",), _VISION, 1),
    "tiles": (("max_num_tiles",), _VISION, 2),
    "image": (("image_size", "img_size", "input_size"), _VISION, 64),
    "sound_channels": (("audio_channels", "channels"), _AUDIO, 1),
    "spectrogram_frames": (("max_length",), _AUDIO, 64),
    "spectrogram_side": (("spec_size",), _AUDIO, 256),
    "audio_positions": (("max_source_positions",), _AUDIO, 0),
    "context": (("context_length",), (), 16),
    "variates": (("num_input_channels", "input_size", "num_variates"), (), 1),
    "time_features": (("num_time_features",), (), 0),
    "static_categories": (("num_static_categorical_features",), (), 0),
    "static_reals": (("num_static_real_features",), (), 0),
    "prediction": (("prediction_length",), (), 8),
    "types": (("type_vocab_size",), ("text",), 1),
    "corners": (("max_2d_position_embeddings",), ("text",), 120),
    "task_length": (("task_seq_len",), (), 77),
    "visual_features": (("visual_feat_dim",), (), 64),
    "visual_positions": (("visual_pos_dim",), (), 4),
    "speaker": (("speaker_embedding_dim",), (), 64),
    "queries": (("num_query_tokens", "num_queries"), (), 4),
}
"""Size -> the settings that may state it, the nested configurations where to look first, and its
value if no setting states it."""

SETTINGS_OF_SIZES = frozenset(
    {"vocab_size", *(name for names, _, _ in _TABLE.values() for name in names)}
)
"""All settings that may state a size of an input."""

SETTINGS_OF_COUNTS = frozenset(
    {
        *("mm_tokens_per_image", "image_seq_length", "image_seq_len", "num_image_tokens"),
        *("num_query_tokens", "num_queries", "vision_soft_tokens_per_image"),
        *("audio_soft_tokens_per_image", "audio_seq_length", "latent_query_num"),
    }
)
"""Settings that may state how many placeholders stand for an image or a sound."""


@dataclass(frozen=True, slots=True)
class ConfiguredSizes:
    """The sizes that a configuration states; `given` are sizes that errors taught otherwise."""

    config: Any
    given: Mapping[str, int]

    def __getitem__(self, name: str) -> int:
        """Return a size of the table, or one that is computed from several."""
        if name in self.given:
            return self.given[name]
        computed = _COMPUTED.get(name)
        return computed(self) if computed else self.stated(*_TABLE[name])

    def stated(self, names: Sequence[str], where: Sequence[str], default: int) -> int:
        """Return the first setting of these names, in these nested configurations first."""
        value = self.setting(names, where)
        if are_sizes(value):
            return max(value)
        if isinstance(value, dict) and is_size(value.get("height")):
            return int(value["height"])
        return value if is_size(value) else default

    def setting(self, names: Sequence[str], where: Sequence[str] = ()) -> Any:
        """Return the value of the first of these settings that a configuration has, or None."""
        ordered = sorted(nodes(self.config), key=lambda node: not _is_within(node[0], where))
        for name in names:
            for _, config in ordered:
                value = read(config, name)
                if value is not None and not isinstance(value, bool):
                    return value
        return None

    @property
    def special_ids(self) -> frozenset[int]:
        """The ids of tokens with a meaning of their own."""
        return special_ids(self.config)


def _is_within(path: Path, where: Sequence[str]) -> bool:
    return any(word in part for part in path for word in where)


def _history(sizes: ConfiguredSizes) -> int:
    lags = sizes.setting(("lags_sequence",))
    return sizes["context"] + (max(lags) if are_sizes(lags) else 0)


def _spectrogram(sizes: ConfiguredSizes) -> int:
    side, mel = sizes["spectrogram_side"], sizes["mel"]
    return side * max(1, side // mel)


def _type_vocabularies(sizes: ConfiguredSizes) -> int:
    several = sizes.setting(("type_vocab_sizes",))
    return len(several) if are_sizes(several) else 1


_COMPUTED = {
    "plain_patch_values": lambda s: s["channels"] * s["patch"] ** 2,
    "patch_values": lambda s: s["channels"] * s["temporal"] * s["patch"] ** 2,
    "patches": lambda s: (s["image"] // s["patch"]) ** 2,
    "history": _history,
    "spectrogram": _spectrogram,
    "type_vocabularies": _type_vocabularies,
}
