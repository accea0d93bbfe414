"""Level 2 of the description: one class per modality and kind of model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from harness.configs.base import NamedAxes, OnnxConfig, OnnxConfigWithPast
from harness.configs.dummy_inputs import (
    DummyPastKeyValuesGenerator,
    DummyTextInputGenerator,
    DummyVisionInputGenerator,
)
from harness.configs.normalized_config import (
    NormalizedConfig,
    NormalizedTextAndVisionConfig,
)
from harness.configs.task_table import TASK_OUTPUTS, Axes, base_task


class TextEncoderOnnxConfig(OnnxConfig):
    """Bidirectional text models. `INPUT_NAMES` are those that the architecture's forward takes."""

    MODALITY = "text"
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator,)
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
        return _up_to_last_position("sequence_length", self.normalized_config)


class TextDecoderOnnxConfig(OnnxConfigWithPast):
    """Causal text models whose positions follow from the mask or the past."""

    MODALITY = "text"
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator, DummyPastKeyValuesGenerator)

    @property
    def inputs(self) -> Mapping[str, Axes]:
        inputs: dict[str, Axes] = {
            "input_ids": {0: "batch_size", 1: "sequence_length"},
            "attention_mask": {0: "batch_size", 1: self.key_axis},
        }
        if self.use_past:
            self.add_past_key_values(
                inputs, prefix="past_key_values", length="past_sequence_length"
            )
        return inputs

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        return _up_to_last_position(self.key_axis, self.normalized_config)


class TextDecoderWithPositionIdsOnnxConfig(TextDecoderOnnxConfig):
    """Causal text models that generation feeds with position ids, so that padded rows are right."""

    @property
    def inputs(self) -> Mapping[str, Axes]:
        inputs = dict(super().inputs)
        if base_task(self.task) not in {"feature-extraction", "text-generation"}:
            return inputs
        past = {name: inputs.pop(name) for name in list(inputs) if name.startswith("past_")}
        return {**inputs, "position_ids": {0: "batch_size", 1: "sequence_length"}, **past}


class VisionOnnxConfig(OnnxConfig):
    """Image models. Axes that the model fixes (channels, often height and width) are static;
    `DYNAMIC_PIXEL_AXES` of an architecture names those that it leaves open."""

    MODALITY = "vision"
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyVisionInputGenerator,)
    DYNAMIC_PIXEL_AXES: Mapping[int, str] = {0: "batch_size"}

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {"pixel_values": dict(self.DYNAMIC_PIXEL_AXES)}


class TextAndVisionOnnxConfig(OnnxConfig):
    """Dual encoders, which embed texts and images apart and score each text against each image.

    So there are as many texts as the caller likes, however many images there are. Classifying
    images takes the vision tower alone.
    """

    MODALITY = "text-and-vision"
    NORMALIZED_CONFIG_CLASS: ClassVar[type[NormalizedConfig]] = NormalizedTextAndVisionConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator, DummyVisionInputGenerator)

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
        scores = TASK_OUTPUTS["zero-shot-image-classification"]
        return NamedAxes((name, dict(axes)) for name, axes in scores.items())

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        return _up_to_last_position("sequence_length", self.normalized_config.of_modality("text"))


def _up_to_last_position(axis: str, text: NormalizedConfig) -> Mapping[str, int]:
    """A ceiling on `axis` where the model has a table of positions."""
    return {axis: text.max_positions} if text.has_attribute("max_positions") else {}
