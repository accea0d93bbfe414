"""Inputs of descriptions as tables, and the generator that draws what the tables say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.configs.axes import AxisExpression, AxisSizes
from harness.configs.dummy_inputs import dense_shape
from harness.configs.feed_generators import Dims, FeedGenerator, FeedRequest, Tensors
from harness.configs.normalized_config import NormalizedTextConfig
from harness.configs.placeholders import Placeholder
from harness.configs.setting import Setting, read_size
from harness.configs.special_tokens import special_ids, special_ids_of_texts
from harness.configs.text_inputs import DummyTextInputGenerator
from harness.configs.value_kinds import (
    KINDS,
    Drawing,
    DrawnInput,
    draw_values,
    tied_ids,
)

if TYPE_CHECKING:
    import torch

TOKENS = "ids"
"""The kind of the tokens among which placeholders stand."""


@dataclass(frozen=True, slots=True)
class TabledInput:
    """An input: the kind of its values, and its axes.

    An axis is an axis expression, or a size that the model fixes: a number or a setting. Integers
    are at least 0 and below `high`. `sides` are the height and the width that grids and sizes of
    images state, as axes; the axes that the kind `follows` if None. Kinds are the keys of `KINDS`.
    """

    kind: str
    axes: tuple[str | int | Setting, ...]
    high: int | Setting = 2
    sides: tuple[str | int | Setting, str | int | Setting] | None = None

    def of_shape(self, shape: tuple[int, ...], config: Any, sizes: AxisSizes) -> DrawnInput:
        """Return what is drawn in a shape, with the sides at these sizes of axis names."""
        sides = self.sides or KINDS[self.kind].follows or (1, 1)
        height, width = (_side(side, config, sizes) for side in sides)
        return DrawnInput(
            kind=self.kind,
            shape=shape,
            high=read_size(self.high, config),
            sides=(height, width),
        )


def _side(side: str | int | Setting, config: Any, sizes: AxisSizes) -> int:
    if isinstance(side, str):
        return AxisExpression.parse(side).evaluate(sizes)
    return read_size(side, config)


@dataclass(frozen=True, slots=True)
class TabledPlaceholder:
    """Tokens that stand for an image, a video or a sound.

    `token` is their id, and `count` their number in each row: an axis expression, a number or a
    setting. Provoking feeds scatter them over the row if the model allows that (`is_scattered`);
    else they follow the first token.
    """

    modality: str
    token: int | Setting
    count: str | int | Setting
    is_scattered: bool = True

    def read(self, config: Any) -> Placeholder:
        """Return the placeholder with the numbers of a configuration."""
        count = self.count if isinstance(self.count, str) else read_size(self.count, config)
        token = read_size(self.token, config)
        return Placeholder(modality=self.modality, token=token, count=str(count))


class _Vocabulary(NormalizedTextConfig):
    """The configuration that has the special ids of a text, with the size of its vocabulary."""

    def __init__(self, config: Any, size: int) -> None:
        super().__init__(config)
        self.vocab_size = size


class _Text(DummyTextInputGenerator):
    """Tokens of which none is a placeholder, or has another meaning that no text has alone."""

    def __init__(self, task: str, vocabulary: _Vocabulary, generator: torch.Generator) -> None:
        super().__init__(task, vocabulary, generator)
        self.reserved: frozenset[int] = frozenset()

    def _is_special(self, ids: torch.Tensor) -> torch.Tensor:
        return super()._is_special(ids) | self._is_reserved(ids)

    def _ids(self, shape: tuple[int, ...]) -> torch.Tensor:
        ids = super()._ids(shape)
        return ids.where(~self._is_reserved(ids), self._plain_ids(shape))

    def _is_reserved(self, ids: torch.Tensor) -> torch.Tensor:
        import torch

        return torch.isin(ids, torch.tensor(sorted(self.reserved), dtype=ids.dtype))


class TabledFeedGenerator(FeedGenerator):
    """Draws inputs by the kinds that a table states, with as many placeholders as they need."""

    TABLE: ClassVar[Mapping[str, TabledInput]] = {}
    PLACEHOLDERS: ClassVar[tuple[TabledPlaceholder, ...]] = ()

    def draw(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        return self._drawn(request, is_ordinary=False)

    def ordinary(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        return self._drawn(request, is_ordinary=True)

    def redraw(
        self, feed: Tensors, places: Tensors, request: FeedRequest
    ) -> dict[str, torch.Tensor]:
        """Draw values again. Placeholders stay, and no other token becomes one.

        Grids and places are exchanged, all of them: there are as many patches as before.
        """
        drawing = self._drawing(request.sizes, is_ordinary=False)
        return {**feed, **{n: self._redrawn(n, feed[n], at, drawing) for n, at in places.items()}}

    def _redrawn(
        self, name: str, tensor: torch.Tensor, places: torch.Tensor, drawing: Drawing
    ) -> torch.Tensor:
        kind, shape = KINDS[self.TABLE[name].kind], tuple(tensor.shape)
        if self._is_tokens(name):
            return self._text(name).redraw("input_ids", tensor, places, dict(enumerate(shape)))
        if kind.stays:
            return tensor if kind.exchange is None else kind.exchange(tensor)
        drawn = draw_values(drawing, self._input(name, shape, drawing.sizes))
        return drawn.where(places, tensor)

    def pad(self, feed: Tensors, places: Tensors) -> dict[str, torch.Tensor]:
        """Write padding ids. Placeholders stay."""
        texts = {name: at for name, at in places.items() if self._is_tokens(name)}
        padded = {n: self._text(n).pad("input_ids", feed[n], at) for n, at in texts.items()}
        return {**feed, **padded}

    def _drawn(self, request: FeedRequest, *, is_ordinary: bool) -> dict[str, torch.Tensor]:
        """Draw tokens first, then what follows from them."""
        drawing = self._drawing(request.sizes, is_ordinary=is_ordinary)
        for name in sorted(request.dims, key=lambda name: not self._is_tokens(name)):
            dims = request.dims[name]
            drawing.drawn[name] = (
                self._tokens(name, dims, drawing)
                if self._is_tokens(name)
                else draw_values(drawing, self._input(name, dense_shape(name, dims), request.sizes))
            )
        return drawing.drawn

    def _tokens(self, name: str, dims: Dims, drawing: Drawing) -> torch.Tensor:
        text = self._text(name)
        if drawing.is_ordinary:
            return tied_ids(drawing, text.ordinary("input_ids", dims, past=0))
        return tied_ids(drawing, text.generate("input_ids", dims))

    def _drawing(self, sizes: AxisSizes, *, is_ordinary: bool) -> Drawing:
        scatters = all(one.is_scattered for one in self.PLACEHOLDERS)
        return Drawing(
            generator=self.generator,
            sizes=sizes,
            placeholders=self._placeholders,
            special=special_ids(self.whole_config.config),
            is_ordinary=is_ordinary,
            is_scattered=scatters and not is_ordinary,
        )

    @property
    def _placeholders(self) -> tuple[Placeholder, ...]:
        return tuple(one.read(self.whole_config.config) for one in self.PLACEHOLDERS)

    def _is_tokens(self, name: str) -> bool:
        return self.TABLE[name].kind == TOKENS

    def _input(self, name: str, shape: tuple[int, ...], sizes: AxisSizes) -> DrawnInput:
        return self.TABLE[name].of_shape(shape, self.whole_config.config, sizes)

    def _text(self, name: str) -> _Text:
        """Return the generator of texts over the vocabulary of an input."""
        high, config = self.TABLE[name].high, self.whole_config.config
        holder = high.holder(config) if isinstance(high, Setting) else config
        text = _Text(self.task, _Vocabulary(holder, read_size(high, config)), self.generator)
        text.reserved = special_ids(config) - special_ids_of_texts(holder)
        text.reserved |= {one.token for one in self._placeholders}
        return text
