"""Level 2 of the description: decoders that read images beside text, in one file for each part.

The files have the names under which such models are shared: `vision_encoder` makes features of
images, `embed_tokens` makes embeddings of tokens, and `decoder_model` takes embeddings in which the
caller has written the features at the places of the placeholder tokens.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from harness.configs.base import NamedAxes, OnnxConfig
from harness.configs.cache_layout import is_past
from harness.configs.calls import Join, PartCall, Result
from harness.configs.decoding import compose_steps, half_then_single
from harness.configs.dummy_inputs import DummyPastKeyValuesGenerator, DummyVisionInputGenerator
from harness.configs.feed_generators import FeedGenerators
from harness.configs.feeds import Feed, RunPart
from harness.configs.image_text_inputs import (
    DummyEmbeddingsGenerator,
    DummyFixedImageTextGenerator,
)
from harness.configs.limits import landmark_lengths, up_to_last_position
from harness.configs.middle_end import TextDecoderWithPositionIdsOnnxConfig
from harness.configs.normalized_config import (
    NormalizedConfig,
    NormalizedTextAndVisionConfig,
    NormalizedTextConfig,
)
from harness.configs.seq2seq import DECODER_PART
from harness.configs.task_table import WITH_PAST, Axes, base_task
from harness.configs.text_inputs import DummyTextInputGenerator

VISION_PART = "vision_encoder"
EMBEDDING_PART = "embed_tokens"

P = TypeVar("P", bound=OnnxConfig)


class NormalizedImageTextConfig(NormalizedTextAndVisionConfig):
    """A decoder of text, and a tower for images of one size in square patches."""

    @property
    def tokens_per_image(self) -> int:
        """The number of placeholder tokens of an image."""
        height, width = self.vision_config.image_height_width
        patch = int(self.vision_config.patch_size)
        return (height // patch) * (width // patch)


class ImageEncoderPart(OnnxConfig):
    """The file that makes features of images: float32 [images, features of one, width]."""

    MODALITY = "vision"
    NORMALIZED_CONFIG_CLASS: ClassVar[type[NormalizedConfig]] = NormalizedImageTextConfig
    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (DummyVisionInputGenerator,)

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {"pixel_values": {0: "num_images"}}

    @property
    def outputs(self) -> NamedAxes:
        return OrderedDict(image_features={0: "num_images"})

    @property
    def call(self) -> PartCall:
        features = Result(held="pooler_output", join=Join.STACK)
        return PartCall(module="get_image_features", results={"image_features": features})


class TokenEmbeddingPart(OnnxConfig):
    """The file that makes embeddings of tokens: float32 [batch, length, width]."""

    MODALITY = "text"
    NORMALIZED_CONFIG_CLASS: ClassVar[type[NormalizedConfig]] = NormalizedTextConfig
    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (DummyTextInputGenerator,)

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {"input_ids": {0: "batch_size", 1: "sequence_length"}}

    @property
    def outputs(self) -> NamedAxes:
        return OrderedDict(inputs_embeds={0: "batch_size", 1: "sequence_length"})

    @property
    def call(self) -> PartCall:
        return PartCall(
            module="get_input_embeddings()",
            arguments={"input_ids": "input"},
            results={"inputs_embeds": Result()},
        )


class EmbeddingsDecoderPart(TextDecoderWithPositionIdsOnnxConfig):
    """The file that decodes from embeddings, after a past of any length."""

    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (
        DummyEmbeddingsGenerator,
        DummyTextInputGenerator,
        DummyPastKeyValuesGenerator,
    )
    STEP_INPUT = "inputs_embeds"

    @property
    def inputs(self) -> Mapping[str, Axes]:
        inputs = dict(super().inputs)
        return {"inputs_embeds": inputs.pop("input_ids"), **inputs}


class ImageTextOnnxConfig(OnnxConfig):
    """Decoders that read one image beside each text. The whole stands for one call of the model.

    A text has at least the tokens that stand for its image, and two others.
    """

    MODALITY = "text-and-vision"
    NORMALIZED_CONFIG_CLASS: ClassVar[type[NormalizedConfig]] = NormalizedImageTextConfig
    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (
        DummyFixedImageTextGenerator,
        DummyTextInputGenerator,
    )
    VISION_PART_CLASS: ClassVar[type[OnnxConfig]] = ImageEncoderPart
    DECODER_PART_CLASS: ClassVar[type[EmbeddingsDecoderPart]] = EmbeddingsDecoderPart

    @property
    def parts(self) -> OrderedDict[str, OnnxConfig]:
        text = self.normalized_config.of_modality("text").config
        past = WITH_PAST if self._has_past else ""
        base = "feature-extraction" if self._has_no_head else "text-generation"
        decoder = self.DECODER_PART_CLASS(text, f"{base}{past}")
        return OrderedDict(
            {
                VISION_PART: self._as_part(self.VISION_PART_CLASS(self.config)),
                EMBEDDING_PART: self._as_part(TokenEmbeddingPart(text)),
                DECODER_PART: self._as_part(decoder),
            }
        )

    @property
    def _has_past(self) -> bool:
        return self.task.endswith(WITH_PAST)

    @property
    def _has_no_head(self) -> bool:
        return base_task(self.task) == "feature-extraction"

    def _as_part(self, part: P) -> P:
        """Give a part the tolerance and the axis ranges of the whole."""
        ranges = {**part.AXIS_RANGES, **self.AXIS_RANGES}
        vars(part)["AXIS_RANGES"] = ranges  # shadows the class attribute
        part.atol = self.atol
        return part

    @property
    def token_axis(self) -> str:
        """The length of a text with its image."""
        return f"max(sequence_length, {self.normalized_config.tokens_per_image + 2})"

    @property
    def image_inputs(self) -> Mapping[str, Axes]:
        """The inputs of one call that hold images."""
        return {"pixel_values": {0: "batch_size"}}

    @property
    def inputs(self) -> Mapping[str, Axes]:
        texts = ("input_ids", "attention_mask", "position_ids")
        return {
            **{name: {0: "batch_size", 1: self.token_axis} for name in texts},
            **self.image_inputs,
        }

    @property
    def outputs(self) -> NamedAxes:
        return OrderedDict({self._output: {0: "batch_size", 1: self.token_axis}})

    @property
    def _output(self) -> str:
        return "last_hidden_state" if self._has_no_head else "logits"

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        text = self.normalized_config.of_modality("text")
        return {
            **up_to_last_position(self.token_axis, text),
            **self.parts[DECODER_PART].axis_ceilings,
        }

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        lengths = landmark_lengths(self.normalized_config.of_modality("text"))
        return {self.token_axis: lengths, **self.parts[DECODER_PART].axis_landmarks}

    @property
    def position_reaches(self) -> Sequence[int]:
        reaches: Sequence[int] = self.normalized_config.of_modality("text").position_reaches
        return reaches

    def least_prompt(self, feed: Mapping[str, Any]) -> int:
        """Return the length of the shortest prompt that holds all images."""
        is_placeholder = feed["input_ids"] == self.config.image_token_id
        return 1 + int(is_placeholder.any(0).nonzero().max())

    def compose(self, feed: Feed, run: RunPart, ends: Sequence[int] | None = None) -> Feed:
        """Write the image features among the embeddings of tokens, then decode in steps."""
        parts, ids = self.parts, feed["input_ids"]
        embeddings = run(EMBEDDING_PART, {"input_ids": ids})["inputs_embeds"].copy()
        images = {name: feed[name] for name in parts[VISION_PART].inputs}
        features = run(VISION_PART, images)["image_features"]
        features = features.reshape(-1, embeddings.shape[-1])
        if ends is None:
            length = ids.shape[1]
            ends = half_then_single(length) if self._has_past else (length,)
        places = ids == self.config.image_token_id
        if places.sum() > len(features):  # a generated placeholder stands for itself
            places[:, ends[0] :] = False
        embeddings[places] = features
        decoder = parts[DECODER_PART]
        known = {**feed, "inputs_embeds": embeddings, **_empty_cache(decoder, rows=len(ids))}
        steps = compose_steps(decoder, known, lambda _, step: run(DECODER_PART, step), ends)
        return {self._output: steps[self._output]}


def _empty_cache(decoder: OnnxConfig, *, rows: int) -> Feed:
    if not decoder.use_past_in_inputs:
        return {}
    sizes = {"batch_size": rows, decoder.past_axis: 0, decoder.STEP_AXIS: 1}
    feed = decoder.generate_dummy_inputs(**sizes)
    return {name: tensor.numpy() for name, tensor in feed.items() if is_past(name)}
