"""Grounding DINO and MMDetection's version of it: detect what the phrases of a text name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from harness.configs.architectures.detr import (
    DummyPaddedImageInputGenerator,
    boxes_of_places,
    centres_of_places,
    deform_with_sizes,
    features_and_masks,
    shrunk_mask,
)
from harness.configs.architectures.swin_windows import decide_by_arithmetic, window_landmarks
from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes, OnnxConfig
from harness.configs.limits import up_to_last_position
from harness.configs.normalized_config import (
    NormalizedBackboneConfig,
    NormalizedConfig,
    NormalizedTextConfig,
)
from harness.configs.replaced_functions import calling_instead, replace_forward
from harness.configs.task_table import Axes
from harness.configs.tasks import register
from harness.configs.text_inputs import DummyTextInputGenerator

if TYPE_CHECKING:
    import torch
    from torch import nn

_TASKS = ("feature-extraction", "zero-shot-object-detection")
_DELIMITERS = (101, 102, 1012, 1029)
"""Tokens between phrases, in BERT's vocabulary; the models state them nowhere else."""


class NormalizedGroundingDinoConfig(NormalizedConfig):
    """A text model, and a backbone for images."""

    def of_modality(self, modality: str) -> NormalizedConfig:
        match modality:
            case "text":
                return NormalizedTextConfig(self.config.text_config)
            case "vision":
                return NormalizedBackboneConfig(self.config)
            case _:
                return self


class DummyPhrasesInputGenerator(DummyTextInputGenerator):
    """Texts of phrases with delimiters between them."""

    def _special_ids(self, vocabulary: int) -> set[int]:
        delimiters = {one for one in _DELIMITERS if one < vocabulary}
        return super()._special_ids(vocabulary) | delimiters


@register("grounding-dino", tasks=_TASKS)
class GroundingDinoOnnxConfig(OnnxConfig):
    """Grounding DINO. Images have any size, and a batch has several, with the mask of their pixels.

    Tokens see only their own phrase. A query has a score for each token up to `max_text_len`;
    places without a token score lowest.
    """

    MODALITY = "text-and-vision"
    NORMALIZED_CONFIG_CLASS = NormalizedGroundingDinoConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyPhrasesInputGenerator, DummyPaddedImageInputGenerator)
    DIVIDED_AXES = frozenset({"height", "width"})

    @property
    def inputs(self) -> Mapping[str, Axes]:
        text = {0: "batch_size", 1: "sequence_length"}
        return {
            "pixel_values": {0: "batch_size", 2: "height", 3: "width"},
            "input_ids": dict(text),
            "token_type_ids": dict(text),
            "attention_mask": dict(text),
            "pixel_mask": {0: "batch_size", 1: "height", 2: "width"},
        }

    @property
    def outputs(self) -> NamedAxes:
        return NamedAxes((name, {0: "batch_size"}) for name in super().outputs)

    @property
    def end_masks(self) -> Mapping[str, int]:
        """A row without any token scores all places alike, so its queries are arbitrary."""
        return {"attention_mask": 1}

    @property
    def stride(self) -> int:
        """Pixels of a place of the coarsest level of the backbone."""
        backbone = self.config.backbone_config
        return int(backbone.patch_size * 2 ** (len(backbone.depths) - 1))

    @property
    def attended_positions(self) -> str:
        return f"ceil(height / {self.stride}) * ceil(width / {self.stride})"

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        """At least as many places of the coarsest level as there are queries."""
        side = next(n for n in range(1, self.config.num_queries + 1) if n * n >= self.least_places)
        low, half = side * self.stride, self.stride // 2
        return {
            "height": AxisRange(low, low + 4 * self.stride, export=low + 3 * half),
            "width": AxisRange(low, low + 5 * self.stride, export=low + 5 * half),
            **super().axis_ranges,
        }

    @property
    def least_places(self) -> int:
        """The places of an image: as many as queries, since these are the best places."""
        return int(self.config.num_queries)

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        text = up_to_last_position("sequence_length", self.normalized_config.of_modality("text"))
        longest = int(self.config.max_text_len)
        return {axis: min(end, longest) for axis, end in text.items()}

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        return window_landmarks(self.config.backbone_config)

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Find the phrases without `cummax`, for which ONNX has no operator, and compute sizes,
        centres and masks of places as for Deformable DETR."""
        for prefix in ("GroundingDino", "MMGroundingDino"):
            replace_forward(model, f"{prefix}ConvEncoder", features_and_masks)
            replace_forward(model, f"{prefix}MultiscaleDeformableAttention", deform_with_sizes)
            replace_forward(model, f"{prefix}ContrastiveEmbedding", _score_tokens)
            calling_instead(model, "nn", lambda _: _NEAREST, kind=f"{prefix}Model")
        for module in model.modules():
            if hasattr(module, "get_reference_points"):
                vars(module)["get_reference_points"] = centres_of_places
            if hasattr(module, "generate_encoder_output_proposals"):
                vars(module)["generate_encoder_output_proposals"] = _propose(module)
        calling_instead(model, _FIND_PHRASES, lambda _: _masks_of_phrases)
        return decide_by_arithmetic(model)


_FIND_PHRASES = "generate_masks_with_special_tokens_and_transfer_map"


def _masks_of_phrases(
    input_ids: torch.Tensor, special_tokens: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which tokens each token sees [batch, tokens, tokens], and its number within its phrase
    [batch, tokens].

    A phrase ends with its delimiter. A delimiter in the first place sees only itself, and so do
    tokens whose phrase does not end before the last place.
    """
    import torch

    length = input_ids.shape[1]
    places = torch.arange(length)
    is_delimiter = (input_ids[..., None] == special_tokens).any(-1)[:, None]
    is_before = places[None, :] < places[:, None]
    before = torch.where(is_delimiter & is_before, places, -1).amax(-1)
    after = torch.where(is_delimiter & ~is_before, places, length).amin(-1)
    last = places[-1]
    is_phrase = (after != 0) & (after < last)
    sees = (after[:, :, None] == after[:, None, :]) & is_phrase[:, None]
    numbers = torch.where(is_phrase, places - before - 1, 0).clamp(min=0)
    return sees | (places[:, None] == places[None, :]), numbers


def _score_tokens(
    module: Any,
    vision_hidden_state: torch.Tensor,
    text_hidden_state: torch.Tensor,
    text_token_mask: torch.Tensor,
) -> torch.Tensor:
    """Return the score of each token for each query [batch, queries, `max_text_len`].

    It is minus infinity for hidden tokens and for places without a token. Eager writes the scores
    into a slice, for which torch.export wants a length other than `max_text_len`.
    """
    import torch

    scores = vision_hidden_state @ text_hidden_state.transpose(-1, -2)
    if hasattr(module, "bias"):
        scores = scores / math.sqrt(vision_hidden_state.shape[-1]) + module.bias
    scores = scores.masked_fill(~text_token_mask[:, None], float("-inf"))
    places, last = torch.arange(module.max_text_len), torch.arange(scores.shape[-1])[-1]
    spread = scores.index_select(-1, torch.minimum(places, last))
    return spread.masked_fill(places > last, float("-inf"))


def _propose(module: Any) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
    """Return a function that gives the features of places and the logits of their boxes."""

    def propose(
        features: torch.Tensor, padding: torch.Tensor, sizes: Sequence[Sequence[Any]]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        boxes, hidden = boxes_of_places(features, padding, sizes)
        logits = torch.log(boxes / (1 - boxes)).masked_fill(hidden, float("inf"))
        return module.enc_output_norm(module.enc_output(features.masked_fill(hidden, 0.0))), logits

    return propose


def _nearest(mask: torch.Tensor, size: Sequence[Any]) -> torch.Tensor:
    """Return a mask [1, batch, height, width] of another size."""
    return shrunk_mask(mask[0], size)[None]


_NEAREST = SimpleNamespace(functional=SimpleNamespace(interpolate=_nearest))
"""The part of `torch.nn` that the model calls, with the nearest pixels of masks by index."""
