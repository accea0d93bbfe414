"""Wrong descriptions, each with one defect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from harness import (
    AxisRange,
    BertOnnxConfig,
    CLIPOnnxConfig,
    DummyTextInputGenerator,
    GPT2OnnxConfig,
    LlamaOnnxConfig,
    NormalizedTextConfig,
    T5OnnxConfig,
    TextEncoderOnnxConfig,
    ViTOnnxConfig,
    WhisperOnnxConfig,
)
from harness.configs.base import NamedAxes
from harness.configs.task_table import Axes

TEXTS: Axes = {0: "batch_size", 1: "sequence_length"}
GPT2_NAMES = GPT2OnnxConfig.NORMALIZED_CONFIG_CLASS


class AnotherOutput(BertOnnxConfig):
    @property
    def outputs(self) -> NamedAxes:
        return NamedAxes(scores={0: "batch_size"})


class _Bert(TextEncoderOnnxConfig):
    ATOL_FOR_VALIDATION = 3e-5
    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig


class AnotherInput(_Bert):
    INPUT_NAMES = ("input_ids", "input_mask", "token_type_ids")


class WithoutTokenTypes(_Bert):
    INPUT_NAMES = ("input_ids", "attention_mask")


class WithoutMask(_Bert):
    INPUT_NAMES = ("input_ids", "token_type_ids")


class WithoutPositions(GPT2OnnxConfig):
    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {name: axes for name, axes in super().inputs.items() if name != "position_ids"}


class WithoutLastValue(GPT2OnnxConfig):
    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        outputs.popitem()
        return outputs


class StaticBatch(BertOnnxConfig):
    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {name: {1: "sequence_length"} for name in super().inputs}


class StaticLogits(BertOnnxConfig):
    @property
    def outputs(self) -> NamedAxes:
        return NamedAxes(logits={})


class DynamicClasses(BertOnnxConfig):
    @property
    def outputs(self) -> NamedAxes:
        return NamedAxes(logits={0: "batch_size", 1: "sequence_length"})


class DynamicImages(ViTOnnxConfig):
    DYNAMIC_PIXEL_AXES = {0: "batch_size", 2: "height", 3: "width"}
    AXIS_RANGES = {"height": AxisRange(4, 32, export=12), "width": AxisRange(4, 32, export=28)}


class MaskOfItsOwnLength(BertOnnxConfig):
    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {**super().inputs, "attention_mask": {0: "batch_size", 1: "mask_length"}}


class AsManyTextsAsImages(CLIPOnnxConfig):
    @property
    def inputs(self) -> Mapping[str, Axes]:
        return _renamed(super().inputs, {"image_batch_size": "text_batch_size"})

    @property
    def outputs(self) -> NamedAxes:
        return NamedAxes(_renamed(super().outputs, {"image_batch_size": "text_batch_size"}))


def _renamed(named: Mapping[str, Axes], names: Mapping[str, str]) -> dict[str, Axes]:
    return {
        name: {axis: names.get(text, text) for axis, text in axes.items()}
        for name, axes in named.items()
    }


class PresentAsLongAsPast(GPT2OnnxConfig):
    @property
    def outputs(self) -> NamedAxes:
        past = {self.key_axis: "past_sequence_length"}
        return NamedAxes(_renamed(super().outputs, past))


class PresentOneLonger(LlamaOnnxConfig):
    @property
    def outputs(self) -> NamedAxes:
        return NamedAxes(_renamed(super().outputs, {self.key_axis: f"{self.key_axis} + 1"}))


class MaskOfTokensAlone(GPT2OnnxConfig):
    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {**super().inputs, "attention_mask": TEXTS}


class DoubledPast(LlamaOnnxConfig):
    @property
    def inputs(self) -> Mapping[str, Axes]:
        doubled = "2 * past_sequence_length + sequence_length"
        return _renamed(super().inputs, {self.key_axis: doubled})


class BeyondThePositions(BertOnnxConfig):
    AXIS_RANGES = {"sequence_length": AxisRange(1, 96, export=7)}

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        return {}


class _QueryHeads(NormalizedTextConfig):
    @property
    def num_key_value_heads(self) -> int:
        return int(self.num_attention_heads)


class QueryHeadsInThePast(LlamaOnnxConfig):
    NORMALIZED_CONFIG_CLASS = _QueryHeads


class OneLayerInThePast(GPT2OnnxConfig):
    NORMALIZED_CONFIG_CLASS = type("NormalizedOneLayer", (GPT2_NAMES,), {"num_layers": 1})


class UnmaskedDecoder(T5OnnxConfig):
    """Its decoder does not take the mask over the encoder's output.

    Eager PyTorch called without the mask agrees, so each part alone is correct.
    """

    @property
    def encoder_mask(self) -> Mapping[str, Axes]:
        return {}


class DynamicFrames(WhisperOnnxConfig):
    @property
    def encoder_outputs(self) -> Mapping[str, Axes]:
        return {"last_hidden_state": {0: "batch_size", 1: "encoder_sequence_length"}}


class HugeTolerance(BertOnnxConfig):
    ATOL_FOR_VALIDATION = 1.0


class LooseTolerance(BertOnnxConfig):
    """Ten times the measured tolerance; inputs still change outputs a thousand times more."""

    ATOL_FOR_VALIDATION = 3e-4


class ZeroTolerance(BertOnnxConfig):
    ATOL_FOR_VALIDATION = 0.0


class _PlainTokens(DummyTextInputGenerator):
    """Mask and token types as a tokenizer returns them for one short text."""

    def generate(self, name: str, dims: Any) -> torch.Tensor:
        tensor = super().generate(name, dims)
        return tensor if name == "input_ids" else tensor * 0 + (name == "attention_mask")


class PlainTokens(BertOnnxConfig):
    DUMMY_INPUT_GENERATOR_CLASSES = (_PlainTokens,)


class _CountedPositions(DummyTextInputGenerator):
    def generate(self, name: str, dims: Any) -> torch.Tensor:
        tensor = super().generate(name, dims)
        if name != "position_ids":
            return tensor
        return (tensor * 0 + 1).cumsum(dim=1) - 1

    def ordinary(self, name: str, dims: Any, *, past: int) -> torch.Tensor:
        return super().ordinary(name, dims, past=0)

    def reaching(self, name: str, dims: Any, *, number: int) -> torch.Tensor:
        return self.generate(name, dims)


class CountedPositions(GPT2OnnxConfig):
    DUMMY_INPUT_GENERATOR_CLASSES = (
        _CountedPositions,
        *GPT2OnnxConfig.DUMMY_INPUT_GENERATOR_CLASSES,
    )


class ApproximatingPatch(BertOnnxConfig):
    """Its patch for the export replaces the activation by a close approximation."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        patched: Any = model
        for layer in patched.bert.encoder.layer:
            layer.intermediate.intermediate_act_fn = nn.GELU(approximate="tanh")
        return model


class SharedPatch(BertOnnxConfig):
    """Its patch for the export changes a weight that the copy shares with the model."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        patched: Any = model
        patched.classifier.bias.data.add_(1)
        return model
