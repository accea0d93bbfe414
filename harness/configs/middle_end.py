"""Level 2 of the description: one class per modality and kind of model."""

from __future__ import annotations

from collections.abc import Mapping

from harness.configs.base import OnnxConfig, OnnxConfigWithPast
from harness.configs.dummy_inputs import (
    DummyPastKeyValuesGenerator,
    DummyTextInputGenerator,
    DummyVisionInputGenerator,
)
from harness.configs.task_table import Axes, base_task


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
        if not self.normalized_config.has_attribute("max_positions"):
            return {}
        return {"sequence_length": self.normalized_config.max_positions}


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
        if not self.normalized_config.has_attribute("max_positions"):
            return {}
        return {self.key_axis: self.normalized_config.max_positions}


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
