"""SAM and its relatives: masks of what points in an image show.

The files have the names under which such models are shared: `vision_encoder` makes embeddings of an
image once, and `prompt_encoder_mask_decoder` makes masks from them for any prompts.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from harness.configs.base import NamedAxes, OnnxConfig
from harness.configs.calls import LIST, PartCall, Result
from harness.configs.dummy_inputs import (
    DummyInputGenerator,
    DummyVisionInputGenerator,
    dense_shape,
)
from harness.configs.feed_generators import Dims, FeedGenerators
from harness.configs.feeds import Feed, RunPart
from harness.configs.normalized_config import NormalizedConfig, NormalizedVisionConfig
from harness.configs.replaced_functions import calling_instead, replace_forward
from harness.configs.task_table import Axes
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn

VISION_PART = "vision_encoder"
MASK_PART = "prompt_encoder_mask_decoder"

SAM_TASKS = ("feature-extraction", "mask-generation")

_PROMPTS: Mapping[str, Axes] = {
    "input_points": {0: "batch_size", 1: "point_batch_size", 2: "nb_points_per_image"},
    "input_labels": {0: "batch_size", 1: "point_batch_size", 2: "nb_points_per_image"},
}
_ORDINARY_LABELS = (0, 1)
_LABELS = (*_ORDINARY_LABELS, -1, -10)
"""Outside the object, in it, no point (the background), and a point that is left out."""

NormalizedSamConfig = NormalizedVisionConfig.with_args(
    image_size="prompt_encoder_config.image_size", num_channels="vision_config.num_channels"
)


class DummyPromptInputGenerator(DummyInputGenerator):
    """Points: float32 [batch, prompts, points, 2], x and y in pixels; and what each of them is:
    int64 [batch, prompts, points]."""

    SUPPORTED_INPUT_NAMES = ("input_points", "input_labels")

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        return self._draw(name, dims, labels=_LABELS)

    def ordinary(self, name: str, dims: Dims, *, past: int) -> torch.Tensor:
        return self._draw(name, dims, labels=_ORDINARY_LABELS)

    def _draw(self, name: str, dims: Dims, *, labels: Sequence[int]) -> torch.Tensor:
        import torch

        shape = dims[0], dims[1], dims[2]
        if name == "input_labels":
            return torch.tensor(labels)[self._integers(0, len(labels), shape)]
        height, width = self.normalized_config.image_height_width
        places = torch.rand((*shape, 2), generator=self.generator)
        return places * torch.tensor([width, height])


class DummyImageEmbeddingsGenerator(DummyInputGenerator):
    """Embeddings of images: float32, of the sizes that the description fixes."""

    SUPPORTED_INPUT_NAMES = ("image_embeddings", "intermediate_embeddings")

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        return self._normal(dense_shape(name, dims))


@register("sam", tasks=SAM_TASKS)
class SamOnnxConfig(OnnxConfig):
    """SAM: takes images of one size, and as many prompts as the caller likes, of as many points.

    The whole stands for one call of the model. It and the second file return three masks for each
    prompt, and how well each of them fits.
    """

    MODALITY = "vision"
    NORMALIZED_CONFIG_CLASS: ClassVar[type[NormalizedConfig]] = NormalizedSamConfig
    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (
        DummyVisionInputGenerator,
        DummyPromptInputGenerator,
        DummyImageEmbeddingsGenerator,
    )
    SCORES: ClassVar[tuple[str, ...]] = ("iou_scores", "pred_masks")

    _stem: str | None = None
    """The file that a part stands for; None for the whole."""

    @property
    def parts(self) -> OrderedDict[str, OnnxConfig]:
        if self._stem is not None:
            return super().parts
        return OrderedDict((stem, self._as_part(stem)) for stem in (VISION_PART, MASK_PART))

    def _as_part(self, stem: str) -> Self:
        part = copy.copy(self)
        part._stem = stem
        return part

    @property
    def embeddings(self) -> Mapping[str, Sequence[int]]:
        """What the first file makes and the second takes -> its sizes, without the batch."""
        config = self.config.prompt_encoder_config
        places = config.image_size // config.patch_size
        return {"image_embeddings": (config.hidden_size, places, places)}

    @property
    def inputs(self) -> Mapping[str, Axes]:
        pixels: dict[str, Axes] = {"pixel_values": {0: "batch_size"}}
        match self._stem:
            case "vision_encoder":
                return pixels
            case "prompt_encoder_mask_decoder":
                return {**{name: {0: "batch_size"} for name in self.embeddings}, **_PROMPTS}
        return {**pixels, **_PROMPTS}

    @property
    def outputs(self) -> NamedAxes:
        if self._stem == VISION_PART:
            return OrderedDict((name, {0: "batch_size"}) for name in self.embeddings)
        axes = {0: "batch_size", 1: "point_batch_size"}
        return OrderedDict((name, dict(axes)) for name in self.SCORES)

    @property
    def fixed_sizes(self) -> Mapping[str, Mapping[int, int]]:
        return {name: dict(enumerate(sizes, 1)) for name, sizes in self.embeddings.items()}

    @property
    def call(self) -> PartCall:
        return self._encoding if self._stem == VISION_PART else PartCall()

    @property
    def _encoding(self) -> PartCall:
        held = Result(held="last_hidden_state")
        return PartCall(module="vision_encoder", results={"image_embeddings": held})

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Decode each prompt as a row of its own. Eager repeats images by their number of prompts,
        which files of dynamo fix."""
        inner: Any = model
        replace_forward(model, type(inner.mask_decoder).__name__, _decode_prompts)
        return model

    def compose(self, feed: Feed, run: RunPart, ends: Sequence[int] | None = None) -> Feed:
        """Encode the images, then make masks of the prompts."""
        encoded = run(VISION_PART, {"pixel_values": feed["pixel_values"]})
        prompts = {name: feed[name] for name in _PROMPTS}
        return run(MASK_PART, {**encoded, **prompts})


@register("sam_hq", tasks=SAM_TASKS)
class SamHQOnnxConfig(SamOnnxConfig):
    """SAM-HQ: adds a finer mask, from what the first global layer of the encoder sees, to each.

    Masks are sorted by how well they fit.
    """

    @property
    def embeddings(self) -> Mapping[str, Sequence[int]]:
        width, places, _ = super().embeddings["image_embeddings"]
        first = (places, places, self.config.vision_config.hidden_size)
        return {"image_embeddings": (width, places, places), "intermediate_embeddings.0": first}

    @property
    def _encoding(self) -> PartCall:
        results = {name: Result(held=name) for name in self.embeddings}
        results["image_embeddings"] = Result(held="last_hidden_state")
        return PartCall(module="vision_encoder", results=results)

    @property
    def call(self) -> PartCall:
        if self._stem == MASK_PART:
            return PartCall(objects={"intermediate_embeddings": LIST})
        return super().call


@register("sam2", tasks=SAM_TASKS)
class Sam2OnnxConfig(SamOnnxConfig):
    """SAM 2: embeddings of three sizes, and whether the image shows the object at all."""

    NORMALIZED_CONFIG_CLASS = NormalizedVisionConfig.with_args(
        image_size="prompt_encoder_config.image_size",
        num_channels="vision_config.backbone_config.num_channels",
    )
    SCORES = ("iou_scores", "pred_masks", "object_score_logits")

    @property
    def embeddings(self) -> Mapping[str, Sequence[int]]:
        width = self.config.mask_decoder_config.hidden_size
        sizes = self.config.vision_config.backbone_feature_sizes
        widths = (width // 8, width // 4, width)
        return {
            f"image_embeddings.{n}": (one, *size)
            for n, (one, size) in enumerate(zip(widths, sizes, strict=True))
        }

    @property
    def _encoding(self) -> PartCall:
        results = {name: Result(held=name.rpartition(".")[2]) for name in self.embeddings}
        return PartCall(module="get_image_embeddings", results=results)

    @property
    def call(self) -> PartCall:
        if self._stem == MASK_PART:
            return PartCall(objects={"image_embeddings": LIST})
        return super().call


@register("sam3_tracker", tasks=SAM_TASKS)
class Sam3TrackerOnnxConfig(Sam2OnnxConfig):
    """SAM 3's tracker: SAM 2 with a ViT, whose positions are rotary, as its encoder."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Rotate queries and keys at once: TorchScript stores angles again for each use."""
        calling_instead(
            model, "apply_rotary_pos_emb_2d", _rotate_at_once, kind="Sam3ViTRoPEAttention"
        )
        return super().patch_model_for_export(model)


def _rotate_at_once(names: Mapping[str, Any]) -> Callable[..., tuple[torch.Tensor, ...]]:
    """Return a function that rotates queries and keys [batch, heads, places, channels] as one."""

    def rotate(
        q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        import torch

        both = torch.stack((q, k))
        query, key = both * cos + names["rotate_pairwise"](both) * sin
        return query, key

    return rotate


def _decode_prompts(
    module: Any, sparse_prompt_embeddings: torch.Tensor, **arguments: Any
) -> tuple[torch.Tensor, ...]:
    """Return the results of a decoder [images, prompts, ...].

    `sparse_prompt_embeddings` are [images, prompts, points, width]; arguments of images are
    [images, ...], or lists of such tensors.
    """
    images, prompts = sparse_prompt_embeddings.shape[:2]

    def of_each(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [of_each(one) for one in value]
        if not hasattr(value, "shape"):
            return value
        return value[:, None].expand(-1, prompts, *value.shape[1:]).flatten(0, 1)

    results = type(module).forward(
        module,
        sparse_prompt_embeddings=sparse_prompt_embeddings.flatten(0, 1)[:, None],
        **{name: of_each(value) for name, value in arguments.items()},
    )
    return tuple(one.reshape(images, prompts, *one.shape[2:]) for one in results)
