"""One attempt at a feed: which inputs it has, in which forms and sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.configs.task_table import base_task
from harness.inference.configuration.setting_kinds import PLACEHOLDER_TOKENS
from harness.inference.configuration.settings import is_size
from harness.inference.feeds.configured_sizes import ConfiguredSizes
from harness.inference.feeds.forward_inputs import ForwardInputs
from harness.inference.feeds.input_forms import COMPANIONS, MODALITY_OF_INPUT

MULTIPLE_CHOICE = "multiple-choice"

_LARGEST_IMAGE = 512
_SMALL_IMAGE = 64
_FRAMES, _SAMPLES = 96, 2400
_MOST_FRAMES = 300


@dataclass(frozen=True, slots=True)
class FeedPlan:
    """An attempt. `forms` maps each input to the number of its form, `sizes` axes to sizes, `given`
    sizes that errors taught, `tokens` a modality to the number of its placeholders in a row."""

    forms: Mapping[str, int]
    sizes: Mapping[str, int]
    given: Mapping[str, int] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)

    def with_form(self, name: str, form: int = 0) -> FeedPlan:
        """Return the plan with an input in this form."""
        return replace(self, forms={**self.forms, name: form})

    def without(self, *names: str) -> FeedPlan:
        """Return the plan without these inputs."""
        return replace(self, forms={n: f for n, f in self.forms.items() if n not in names})

    def with_sizes(self, **sizes: int) -> FeedPlan:
        """Return the plan with other sizes of axes."""
        return replace(self, sizes={**self.sizes, **sizes})

    def with_given(self, **given: int) -> FeedPlan:
        """Return the plan with sizes that the configuration does not state."""
        return replace(self, given={**self.given, **given})

    def with_tokens(self, modality: str, count: int) -> FeedPlan:
        """Return the plan with a number of placeholders."""
        return replace(self, tokens={**self.tokens, modality: count})

    @property
    def key(self) -> tuple[Any, ...]:
        """What two equal attempts have in common."""
        parts = (self.forms, self.sizes, self.given, self.tokens)
        return tuple(tuple(sorted(part.items())) for part in parts)


@dataclass(frozen=True, slots=True)
class Subject:
    """The model whose feed is sought, its inputs and its task."""

    model: Any
    inputs: ForwardInputs
    task: str

    @property
    def config(self) -> Any:
        return self.model.config

    @property
    def has_choices(self) -> bool:
        """Whether texts have one more axis, of choices."""
        return base_task(self.task) == MULTIPLE_CHOICE

    def sizes(self, plan: FeedPlan) -> ConfiguredSizes:
        """Return the sizes that the configuration and the plan state."""
        return ConfiguredSizes(self.config, plan.given)

    def placeholder(self, modality: str) -> int | None:
        """Return the id of the token that stands for a modality; None if no setting has it."""
        value = ConfiguredSizes(self.config, {}).setting(PLACEHOLDER_TOKENS[modality])
        return value if is_size(value) else None


def first_plan(subject: Subject) -> FeedPlan:
    """Return the first attempt: what is required, the main inputs, and what comes with them."""
    inputs = subject.inputs
    chosen = dict.fromkeys([*inputs.required, *(m for m in inputs.main if m in inputs.names)], 0)
    chosen.update(dict.fromkeys(_modalities(inputs, chosen), 0))
    if _is_encoder_decoder(subject) and "decoder_input_ids" in inputs.names:
        chosen["decoder_input_ids"] = 0
    elif "decoder_input_values" in inputs.names:
        chosen["decoder_input_values"] = 0
    for name in ("input_features", "input_values"):
        if name in chosen:
            chosen[name] = _documented_order(inputs, name)
    if "pixel_values" in chosen and inputs.modalities in {("video",), ("video", "text")}:
        chosen["pixel_values"] = 2
    plan = FeedPlan(forms=chosen, sizes=_first_sizes(subject))
    for name in tuple(chosen):
        plan = with_companions(subject, plan, name)
    return plan


def with_companions(subject: Subject, plan: FeedPlan, name: str) -> FeedPlan:
    """Return the plan with what comes with an input: grids and masks, and placeholder tokens."""
    for one, companion, form in COMPANIONS:
        if one == name and companion in subject.inputs.names and companion not in plan.forms:
            plan = plan.with_form(companion)
            plan = plan.with_form(name, form) if form >= 0 else plan
    modality = MODALITY_OF_INPUT.get(name)
    if modality and "input_ids" in plan.forms and modality not in plan.tokens:
        has_token = subject.placeholder(modality) is not None
        plan = plan.with_tokens(modality, 0) if has_token else plan
    return plan


def _modalities(inputs: ForwardInputs, chosen: Mapping[str, int]) -> list[str]:
    """Return the inputs that a model of several modalities reads beside its text."""
    names = inputs.names
    if "input_ids" not in names:
        has_video = "pixel_values_videos" in names and "video" in inputs.modalities
        return ["pixel_values_videos"] if has_video and "pixel_values" not in chosen else []
    found: list[str] = []
    has_several = len(inputs.modalities) > 1
    reads_image = not inputs.modalities or {"text", "image"} & set(inputs.modalities)
    is_beside = bool(reads_image) and inputs.main != ("pixel_values",)
    if "pixel_values" in names and (is_beside or has_several):
        found += ["input_ids", "pixel_values"]
    if "input_features" in names:
        found += ["input_ids", "input_features"]
    elif "input_values" in names and "audio" in inputs.modalities:
        found += ["input_ids", "input_values"]
    return found


def _documented_order(inputs: ForwardInputs, name: str) -> int:
    """Return the form whose axes have the documented order: frames before or after features."""
    shape = inputs.shapes.get(name, "")
    is_frames_first = "feature_dim" in shape or "num_banks" in shape
    return 1 if name == "input_features" and is_frames_first else 0


def _is_encoder_decoder(subject: Subject) -> bool:
    return bool(getattr(subject.config, "is_encoder_decoder", False))


def _first_sizes(subject: Subject) -> dict[str, int]:
    stated = ConfiguredSizes(subject.config, {})
    image = stated.setting(("image_size", "img_size", "input_size"), ("vision", "image", "back"))
    height, width = _height_width(image)
    positions = stated["audio_positions"]
    return {
        "batch_size": 2,
        "sequence_length": 7,
        "decoder_sequence_length": 5,
        "height": height,
        "width": width,
        "num_frames": 2 * positions if 0 < positions < _MOST_FRAMES else _FRAMES,
        "num_samples": _SAMPLES,
        "grid_height": 4,
        "grid_width": 6,
        "num_images": 1,
        "num_choices": 4,
        "num_points": 3,
        "num_boxes": 2,
        "num_classes": 3,
        "series_length": 16,
    }


def _height_width(image: object) -> tuple[int, int]:
    if isinstance(image, dict):
        image = [image.get("height"), image.get("width")]
    if is_size(image):
        image = [image, image]
    is_pair = isinstance(image, list | tuple) and len(image) > 0 and all(map(is_size, image))
    if not is_pair:
        return _SMALL_IMAGE, _SMALL_IMAGE
    assert isinstance(image, list | tuple)
    height, width = int(image[0]), int(image[-1])
    return (height, width) if height <= _LARGEST_IMAGE else (_SMALL_IMAGE, _SMALL_IMAGE)
