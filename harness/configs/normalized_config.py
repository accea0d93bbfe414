"""One set of names for what every architecture's configuration calls differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from harness.configs import rotary_scaling


class NormalizedConfig:
    """Reads a transformers configuration under normalized attribute names.

    Class attributes in upper case map a normalized name to the configuration's own, dotted for
    nested configurations; names without an entry are read as they are. `with_args` makes a
    variant for one architecture: `NormalizedTextConfig.with_args(hidden_size="n_embd")`.
    """

    _NAMES: ClassVar[dict[str, str]] = {}
    _VARIANT_OF: ClassVar[type[NormalizedConfig] | None] = None

    def __init__(self, config: Any) -> None:
        self.config = config

    @classmethod
    def with_args(cls, **names: str) -> type[NormalizedConfig]:
        """A subclass with these normalized name -> configuration name entries added."""
        named = {"_NAMES": {**cls._NAMES, **names}, "_VARIANT_OF": cls._VARIANT_OF or cls}
        return type(cls.__name__, (cls,), named)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by the class that a variant was made of, since no module knows the variant."""
        return _restored, (self._VARIANT_OF or type(self), self._NAMES, self.config)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        value = self.config
        for attribute in self._NAMES.get(name, name).split("."):
            if not hasattr(value, attribute):
                model_type = getattr(self.config, "model_type", type(self.config).__name__)
                raise AttributeError(
                    f"{model_type}: the configuration has no {self._NAMES.get(name, name)!r} "
                    f"(normalized name {name!r}); map it with {type(self).__name__}.with_args"
                )
            value = getattr(value, attribute)
        return value

    def has_attribute(self, name: str) -> bool:
        """Whether the configuration knows this name and gives it a value."""
        return getattr(self, name, None) is not None

    def of_modality(self, modality: str) -> NormalizedConfig:
        """What an input of this modality follows: all of it, unless the model nests several."""
        return self


def _restored(
    kind: type[NormalizedConfig], names: Mapping[str, str], config: Any
) -> NormalizedConfig:
    return (kind if names == kind._NAMES else kind.with_args(**names))(config)


class NormalizedTextConfig(NormalizedConfig):
    """A text model: vocabulary, width, depth and attention heads."""

    _NAMES: ClassVar[dict[str, str]] = {
        "num_layers": "num_hidden_layers",
        "max_positions": "max_position_embeddings",
    }

    @property
    def head_dim(self) -> int:
        """Size of one attention head, as stated or as width over heads; of the layers that state
        their own, the largest."""
        stated = self._largest(self._NAMES.get("head_dim", "head_dim"))
        return stated or int(self.hidden_size // self.num_attention_heads)

    @property
    def value_head_dim(self) -> int:
        """Size of one head of the values, as stated or that of the keys."""
        return int(getattr(self.config, self._NAMES.get("value_head_dim", ""), 0) or self.head_dim)

    @property
    def num_key_value_heads(self) -> int:
        """Heads of keys and values, fewer than the queries' where they are grouped; of the layers
        that state their own, the largest number."""
        return self._largest("num_key_value_heads") or int(self.num_attention_heads)

    def _largest(self, name: str) -> int:
        """Return a width that may differ from layer to layer; 0 if the configuration states none.

        transformers refuses to read such a width from the whole configuration (`per_layer_config`).
        """
        layers = getattr(self.config, "per_layer_attributes", None) or ()
        configs = self.config.per_layer_config if name in layers else (self.config,)
        return max(int(getattr(config, name, None) or 0) for config in configs)

    @property
    def position_reaches(self) -> tuple[int, ...]:
        """Numbers of positions that a feed of positions must use up to the last one.

        The length of the table, both sides of each switch of rope scaling, and the most that are
        drawn.
        """
        sides = (switch + beyond for switch in self.rope_switches for beyond in (0, 1))
        is_bounded = self.has_attribute("max_positions")
        ends = (int(self.max_positions), self.drawn_positions) if is_bounded else ()
        return tuple(dict.fromkeys((*ends, *sides)))

    @property
    def drawn_positions(self) -> int:
        """Number of positions that feeds use: the table, or twice as many if a scaling exists for
        longer texts."""
        return int(self.max_positions) * (2 if self.goes_past_table else 1)

    @property
    def attention_window(self) -> int | None:
        """Keys that a query of a windowed layer sees, its own among them (transformers'
        `sliding_window_overlay`); None where every layer sees all."""
        kinds = getattr(self, "layer_types", None)
        is_used = getattr(self, "use_sliding_window", True)
        if not is_used or (kinds is not None and "sliding_attention" not in kinds):
            return None
        window = getattr(self, "sliding_window", None)
        return int(window) if window else None

    @property
    def layer_windows(self) -> Mapping[int, int]:
        """Layer -> its attention window, for each layer that has one."""
        window = self.attention_window
        kinds = getattr(self, "layer_types", None) or ["sliding_attention"] * self.num_layers
        windowed = (n for n, kind in enumerate(kinds) if kind == "sliding_attention")
        return dict.fromkeys(windowed, window) if window else {}

    @property
    def rope_switches(self) -> tuple[int, ...]:
        """Positions from which on the rotary scaling is another one than before, ascending."""
        table = getattr(self, "max_positions", None)
        scalings = rotary_scaling.rope_scalings(self.config)
        found = (rotary_scaling.switch_of(scaling, table) for scaling in scalings)
        return tuple(sorted({int(position) for position in found if position}))

    @property
    def goes_past_table(self) -> bool:
        """Whether a rotary scaling exists for texts that are longer than the table of positions."""
        return any(map(rotary_scaling.grows, rotary_scaling.rope_scalings(self.config)))

    @property
    def rope_follows_length(self) -> bool:
        """Whether rotary frequencies depend on the largest position of a call.

        A prefill and its steps then may give other values than one call of all tokens.
        """
        scalings = rotary_scaling.rope_scalings(self.config)
        return any(map(rotary_scaling.follows_length, scalings))


class NormalizedSeq2SeqConfig(NormalizedTextConfig):
    """An encoder-decoder. Depth and heads are the decoder's, whose cache holds keys of both sides
    in as many heads; the width is that of the encoder's output."""

    _NAMES: ClassVar[dict[str, str]] = {
        "hidden_size": "d_model",
        "encoder_hidden_size": "d_model",
        "num_layers": "decoder_layers",
        "num_attention_heads": "decoder_attention_heads",
        "max_positions": "max_position_embeddings",
    }

    @property
    def num_key_value_heads(self) -> int:
        """Heads of keys and values; transformers' attribute of this name is the encoder's."""
        return int(self.num_attention_heads)


class NormalizedVisionConfig(NormalizedConfig):
    """An image model: channels, and sizes of images and patches, an integer or (height, width)."""

    @property
    def image_height_width(self) -> tuple[int, int]:
        return _height_width(self.image_size)

    @property
    def patch_height_width(self) -> tuple[int, int]:
        return _height_width(self.patch_size)


NormalizedBackboneConfig = NormalizedVisionConfig.with_args(
    num_channels="backbone_config.num_channels"
)
"""An image model whose backbone states the channels."""


def _height_width(size: int | Sequence[int]) -> tuple[int, int]:
    height, width = size if isinstance(size, (list, tuple)) else (size, size)
    return int(height), int(width)


class NormalizedTextAndVisionConfig(NormalizedConfig):
    """A model of text and images, whose configuration nests one for each.

    Both nested ones have a width and a depth, so none of their names is read from here.
    """

    @property
    def text_config(self) -> NormalizedTextConfig:
        return NormalizedTextConfig(super().__getattr__("text_config"))

    @property
    def vision_config(self) -> NormalizedVisionConfig:
        return NormalizedVisionConfig(super().__getattr__("vision_config"))

    def of_modality(self, modality: str) -> NormalizedConfig:
        match modality:
            case "text":
                return self.text_config
            case "vision":
                return self.vision_config
            case _:
                return self
