"""Level 2 of the description: one class per modality and kind of model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from harness.configs.base import NamedAxes, OnnxConfig, OnnxConfigWithPast
from harness.configs.dummy_inputs import (
    DummyAudioInputGenerator,
    DummyBboxInputGenerator,
    DummyPastKeyValuesGenerator,
    DummySeriesInputGenerator,
    DummyVisionInputGenerator,
)
from harness.configs.feed_generators import FeedGenerators
from harness.configs.limits import decoder_ceilings, landmark_lengths, up_to_last_position
from harness.configs.normalized_config import (
    NormalizedConfig,
    NormalizedTextAndVisionConfig,
    NormalizedTextConfig,
    NormalizedVisionConfig,
)
from harness.configs.normalized_pair import NormalizedEncoderDecoderConfig
from harness.configs.seq2seq import OnnxSeq2SeqConfigWithPast
from harness.configs.task_table import TASKS, Axes, base_task
from harness.configs.text_inputs import (
    DummySeq2SeqDecoderTextInputGenerator,
    DummyTextInputGenerator,
)


class TextEncoderOnnxConfig(OnnxConfig):
    """Bidirectional text models, such as BERT. A subclass lists its inputs in `INPUT_NAMES`."""

    MODALITY = "text"
    NORMALIZED_CONFIG_CLASS: ClassVar[type[NormalizedConfig]] = NormalizedTextConfig
    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (DummyTextInputGenerator,)
    INPUT_NAMES: tuple[str, ...] = ("input_ids", "attention_mask")

    @property
    def inputs(self) -> Mapping[str, Axes]:
        if self.task == "multiple-choice":
            axes = {0: "batch_size", 1: "num_choices", 2: "sequence_length"}
        else:
            axes = {0: "batch_size", 1: "sequence_length"}
        return {name: dict(axes) for name in self.INPUT_NAMES}

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        return up_to_last_position("sequence_length", self.normalized_config)


class TextDecoderOnnxConfig(OnnxConfigWithPast):
    """Causal text models whose positions follow from the mask or the past."""

    MODALITY = "text"
    NORMALIZED_CONFIG_CLASS: ClassVar[type[NormalizedConfig]] = NormalizedTextConfig
    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (
        DummyTextInputGenerator,
        DummyPastKeyValuesGenerator,
    )

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {
            "input_ids": {0: "batch_size", 1: "sequence_length"},
            "attention_mask": {0: "batch_size", 1: self.key_axis},
            **self.taken_cache,
        }

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        return up_to_last_position(self.key_axis, self.normalized_config)

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        return {self.key_axis: landmark_lengths(self.normalized_config)}


class TextDecoderWithPositionIdsOnnxConfig(TextDecoderOnnxConfig):
    """Causal text models that generation feeds with position ids, so that padded rows are right."""

    @property
    def inputs(self) -> Mapping[str, Axes]:
        inputs = dict(super().inputs)
        if base_task(self.task) not in {"feature-extraction", "text-generation"}:
            return inputs
        past = {name: inputs.pop(name) for name in self.taken_cache}
        return {**inputs, "position_ids": {0: "batch_size", 1: "sequence_length"}, **past}

    @property
    def position_reaches(self) -> Sequence[int]:
        is_input = "position_ids" in self.inputs
        return self.normalized_config.position_reaches if is_input else ()


class TextSeq2SeqOnnxConfig(OnnxSeq2SeqConfigWithPast):
    """Encoder-decoders from text to text."""

    MODALITY = "text"
    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (
        DummyTextInputGenerator,
        DummySeq2SeqDecoderTextInputGenerator,
    )

    @property
    def encoder_inputs(self) -> Mapping[str, Axes]:
        axes = {0: "batch_size", 1: "encoder_sequence_length"}
        return {name: dict(axes) for name in ("input_ids", "attention_mask")}

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        return {
            **up_to_last_position("encoder_sequence_length", self.normalized_config),
            **decoder_ceilings(self.normalized_config),
        }


class EncoderDecoderOnnxConfig(TextSeq2SeqOnnxConfig):
    """A text encoder and a text decoder of any two registered architectures."""

    NORMALIZED_CONFIG_CLASS: ClassVar[type[NormalizedConfig]] = NormalizedEncoderDecoderConfig

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        encoder = self.normalized_config.of_modality("text")
        return {
            **up_to_last_position("encoder_sequence_length", encoder),
            **decoder_ceilings(self.normalized_config.of_modality("decoder")),
        }


class AudioOnnxConfig(OnnxConfig):
    """Audio models that take a waveform. Its shortest length follows from the model's strides and
    stands in `AXIS_RANGES` of an architecture."""

    MODALITY = "audio"
    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (DummyAudioInputGenerator,)

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {"input_values": {0: "batch_size", 1: "sequence_length"}}


class AudioToTextOnnxConfig(OnnxSeq2SeqConfigWithPast):
    """Encoder-decoders from sound to text.

    `DYNAMIC_FEATURE_AXES` are the axes of the spectrogram that the model leaves open. With a fixed
    number of frames the encoder's output has a fixed length too, and nothing in it to mask.
    """

    MODALITY = "audio"
    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (
        DummyAudioInputGenerator,
        DummySeq2SeqDecoderTextInputGenerator,
    )
    DYNAMIC_FEATURE_AXES: Mapping[int, str] = {0: "batch_size"}

    @property
    def encoder_inputs(self) -> Mapping[str, Axes]:
        return {"input_features": dict(self.DYNAMIC_FEATURE_AXES)}

    @property
    def encoder_outputs(self) -> Mapping[str, Axes]:
        return {"last_hidden_state": {0: "batch_size"}}

    @property
    def encoder_mask(self) -> Mapping[str, Axes]:
        return {}

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        return decoder_ceilings(self.normalized_config)


class FixedLengthOnnxConfig(OnnxConfig):
    """Models whose features have as many positions for every input, unless an architecture says
    otherwise."""

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self.task == "feature-extraction":
            outputs["last_hidden_state"] = {0: "batch_size"}
        return outputs


class VisionOnnxConfig(FixedLengthOnnxConfig):
    """Image models. Axes that the model fixes (channels, often height and width) are static;
    `DYNAMIC_PIXEL_AXES` of an architecture names those that it leaves open."""

    MODALITY = "vision"
    NORMALIZED_CONFIG_CLASS: ClassVar[type[NormalizedConfig]] = NormalizedVisionConfig
    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (DummyVisionInputGenerator,)
    DYNAMIC_PIXEL_AXES: Mapping[int, str] = {0: "batch_size"}

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {"pixel_values": dict(self.DYNAMIC_PIXEL_AXES)}


class AnySizeVisionOnnxConfig(VisionOnnxConfig):
    """Image models that take images of any height and width, which they divide by strides."""

    DYNAMIC_PIXEL_AXES = {0: "batch_size", 2: "height", 3: "width"}
    DIVIDED_AXES = frozenset({"height", "width"})


class SeriesOnnxConfig(FixedLengthOnnxConfig):
    """Time series of a fixed length and a fixed number of channels, all of whose values are known.

    The length of the forecast, or the number of classes, is fixed too.
    """

    MODALITY = "series"
    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (DummySeriesInputGenerator,)
    OMITTED_INPUTS: ClassVar[Mapping[str, str]] = {
        "past_observed_mask": "the files that are shared take values alone; without the mask, a "
        "model counts every value as known"
    }

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {"past_values": {0: "batch_size"}}


class TextAndVisionOnnxConfig(OnnxConfig):
    """Dual encoders, which embed texts and images apart and score each text against each image.

    So there are as many texts as the caller likes, however many images there are. Classifying
    images takes the vision tower alone.
    """

    MODALITY = "text-and-vision"
    NORMALIZED_CONFIG_CLASS: ClassVar[type[NormalizedConfig]] = NormalizedTextAndVisionConfig
    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (
        DummyTextInputGenerator,
        DummyVisionInputGenerator,
        DummyBboxInputGenerator,
    )

    @property
    def inputs(self) -> Mapping[str, Axes]:
        if self.task == "image-classification":
            return {"pixel_values": {0: "batch_size"}}
        return {
            "input_ids": {0: "text_batch_size", 1: "sequence_length"},
            "pixel_values": {0: "image_batch_size"},
            "attention_mask": {0: "text_batch_size", 1: "sequence_length"},
        }

    @property
    def outputs(self) -> NamedAxes:
        if self.task != "feature-extraction":
            return super().outputs
        scores = TASKS["zero-shot-image-classification"].outputs
        return NamedAxes((name, dict(axes)) for name, axes in scores.items())

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        return up_to_last_position("sequence_length", self.normalized_config.of_modality("text"))
