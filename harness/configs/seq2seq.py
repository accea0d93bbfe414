"""Encoder-decoders with a cache: one description of the whole, and one of each of its parts.

Files, axes and names of inputs and outputs are those of Optimum.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from harness.configs.base import NamedAxes, OnnxConfig, OnnxConfigWithPast
from harness.configs.cache_layout import (
    CacheEntry,
    CacheKind,
    CacheSide,
    as_past,
    keys_and_values,
    own_keys_and_values,
)
from harness.configs.calls import PartCall, Unread
from harness.configs.decoding import half_then_single, spans
from harness.configs.dummy_inputs import DummySeq2SeqPastKeyValuesGenerator
from harness.configs.feed_generators import FeedGenerators, SeededGenerator
from harness.configs.normalized_config import NormalizedConfig, NormalizedSeq2SeqConfig
from harness.configs.task_table import WITH_PAST, Axes, base_task
from harness.configs.text_inputs import DummySeq2SeqDecoderTextInputGenerator
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.configs.feeds import Feed, RunPart

ENCODER_PART = "encoder_model"
DECODER_PART = "decoder_model"
DECODER_WITH_PAST_PART = "decoder_with_past_model"


_TASKS_IN_PARTS = frozenset(
    {
        "automatic-speech-recognition",
        "automatic-speech-recognition-with-past",
        "feature-extraction-with-past",
        "text2text-generation",
        "text2text-generation-with-past",
    }
)
_TASKS = {"feature-extraction", *map(base_task, _TASKS_IN_PARTS)}


class OnnxSeq2SeqConfigWithPast(OnnxConfigWithPast):
    """An encoder-decoder. Generation runs its two sides apart, so their tasks have a part for each;
    a decoder that continues from a cache is a part of its own.

    Outside its parts a description stands for the full model, which judges them together. Plain
    `feature-extraction` is that full model in one file.
    """

    NORMALIZED_CONFIG_CLASS: ClassVar[type[NormalizedConfig]] = NormalizedSeq2SeqConfig
    DECODER_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (
        DummySeq2SeqDecoderTextInputGenerator,
        DummySeq2SeqPastKeyValuesGenerator,
    )

    STEP_AXIS: ClassVar[str] = "decoder_sequence_length"
    STEP_INPUT: ClassVar[str] = "decoder_input_ids"

    ENCODER_OUTPUT: ClassVar[str] = "BaseModelOutput"
    """Class of the encoder's output in `transformers.modeling_outputs`; the decoder takes it."""

    _side: CacheSide | None = None
    """The side of the model that a part stands for; None for the whole."""

    _continues = False

    def __init__(self, config: Any, task: str = "feature-extraction") -> None:
        super().__init__(config, task)
        if base_task(self.task) not in _TASKS:
            raise UsageError(
                f"{type(self).__name__} describes encoder-decoders, {self.task} is no task of "
                "theirs; TasksManager.get_exporter_config_constructor finds its description"
            )

    @property
    @abstractmethod
    def encoder_inputs(self) -> Mapping[str, Axes]:
        """The inputs of the encoder."""

    @property
    def encoder_outputs(self) -> Mapping[str, Axes]:
        """The outputs of the encoder, as the decoder takes them."""
        return {"last_hidden_state": {0: "batch_size", 1: "encoder_sequence_length"}}

    @property
    def encoder_mask(self) -> Mapping[str, Axes]:
        """The mask over the encoder's outputs, where the decoder takes one."""
        return {"encoder_attention_mask": {0: "batch_size", 1: "encoder_sequence_length"}}

    @property
    def parts(self) -> OrderedDict[str, OnnxConfig]:
        if self._side is not None or self.task not in _TASKS_IN_PARTS:
            return super().parts
        parts: OrderedDict[str, OnnxConfig] = OrderedDict()
        parts[ENCODER_PART] = self._as_part(CacheSide.ENCODER)
        parts[DECODER_PART] = self._as_part(CacheSide.DECODER)
        if self.task.endswith(WITH_PAST):
            parts[DECODER_WITH_PAST_PART] = self._as_part(CacheSide.DECODER, continues=True)
        return parts

    def _as_part(self, side: CacheSide, *, continues: bool = False) -> Self:
        part = copy.copy(self)
        part._side = side
        part._continues = continues
        return part

    @property
    def use_past(self) -> bool:
        return self._side is CacheSide.DECODER and super().use_past

    @property
    def use_past_in_inputs(self) -> bool:
        return self._continues

    @property
    def prompt_inputs(self) -> tuple[str, ...]:
        return tuple(self.encoder_inputs)

    @property
    def key_axis(self) -> str:
        return f"{self.past_axis} + {self.STEP_AXIS}" if self._continues else self.STEP_AXIS

    @property
    def call(self) -> PartCall:
        match self._side:
            case None:
                return PartCall()
            case CacheSide.ENCODER:
                return PartCall(module="get_encoder()")
        hidden = "encoder_outputs.last_hidden_state"
        arguments = {
            "input_ids": "decoder_input_ids",
            "encoder_attention_mask": "attention_mask",
            "encoder_hidden_states": hidden,
        }
        return PartCall(
            arguments=arguments,
            objects={"encoder_outputs": self.ENCODER_OUTPUT},
            unread={hidden: self._unread_hidden_states} if self._continues else {},
        )

    @property
    def _unread_hidden_states(self) -> Unread:
        """The cache holds what the decoder needs of the encoder's output."""
        key = next(entry.name for entry in self.cache if entry.kind is CacheKind.CROSS)
        return Unread(like=key, axes=(0, 2), width=int(self.normalized_config.encoder_hidden_size))

    @property
    def model_kwargs(self) -> Mapping[str, Any]:
        return {"use_cache": True} if self.use_past else {}

    @property
    def dummy_input_generator_classes(self) -> Iterable[type[SeededGenerator]]:
        if self._side is CacheSide.DECODER:
            return self.DECODER_INPUT_GENERATOR_CLASSES
        return self.DUMMY_INPUT_GENERATOR_CLASSES

    @property
    def inputs(self) -> Mapping[str, Axes]:
        tokens: Axes = {0: "batch_size", 1: self.STEP_AXIS}
        match self._side:
            case None:
                return {**self.encoder_inputs, self.STEP_INPUT: tokens}
            case CacheSide.ENCODER:
                return self.encoder_inputs
        inputs: dict[str, Axes] = {**self.encoder_mask, "input_ids": tokens}
        if self._continues:  # the cache holds all that it needs of the encoder
            return {**inputs, **self.taken_cache}
        return {**inputs, "encoder_hidden_states": dict(self.encoder_outputs["last_hidden_state"])}

    @property
    def outputs(self) -> NamedAxes:
        if self._side is CacheSide.ENCODER:
            return OrderedDict((name, dict(axes)) for name, axes in self.encoder_outputs.items())
        outputs = super().outputs
        if "last_hidden_state" in outputs:
            outputs["last_hidden_state"] = {0: "batch_size", 1: self.STEP_AXIS}
        return outputs

    @property
    def cache(self) -> Sequence[CacheEntry]:
        """Keys and values of every layer: of the decoder's tokens, and of the encoder's output."""
        windows, past = self.cache_windows, self.past_axis
        encoded = self.encoder_outputs["last_hidden_state"]
        cross: Axes = {0: encoded[0]} | ({2: encoded[1]} if 1 in encoded else {})
        layers = range(self.normalized_config.num_layers) if self.use_past else ()
        return tuple(
            entry
            for layer in layers
            for entry in (
                *own_keys_and_values(layer, past, windows.get(layer), side=CacheSide.DECODER),
                *keys_and_values(layer, cross, side=CacheSide.ENCODER, kind=CacheKind.CROSS),
            )
        )

    def compose(self, feed: Feed, run: RunPart, ends: Sequence[int] | None = None) -> Feed:
        """Encode, decode the first half of the tokens, then one token after the other, or up to
        `ends`."""
        import numpy as np

        parts, tokens = self.parts, feed[self.STEP_INPUT]
        if ends is None:
            length = tokens.shape[1]
            ends = half_then_single(length) if DECODER_WITH_PAST_PART in parts else (length,)
        encoded = run(ENCODER_PART, {name: feed[name] for name in parts[ENCODER_PART].inputs})
        known = {"encoder_hidden_states": encoded["last_hidden_state"]}
        if "attention_mask" in feed:
            known["encoder_attention_mask"] = feed["attention_mask"]
        steps: list[Feed] = []
        for start, end in spans(ends):
            stem = DECODER_WITH_PAST_PART if start else DECODER_PART
            known["input_ids"] = tokens[:, start:end]
            step = run(stem, {name: known[name] for name in parts[stem].inputs})
            known |= as_past(step)
            steps.append(step)
        return {name: np.concatenate([s[name] for s in steps], axis=1) for name in self.outputs}
