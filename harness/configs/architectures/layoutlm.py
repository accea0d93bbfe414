"""Readers of documents: words, and where they stand on a page or in a tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from harness.configs.architectures.bert import BertOnnxConfig
from harness.configs.architectures.modernbert import TASKS
from harness.configs.architectures.roberta import NO_TOKEN_TYPES, NormalizedRobertaConfig
from harness.configs.base import NamedAxes
from harness.configs.dummy_inputs import DummyBboxInputGenerator, DummyVisionInputGenerator
from harness.configs.feed_generators import Dims, FeedGenerators
from harness.configs.normalized_config import NormalizedVisionConfig
from harness.configs.task_table import Axes
from harness.configs.tasks import register
from harness.configs.text_inputs import DummyTextInputGenerator

if TYPE_CHECKING:
    import torch

READER_TASKS = (
    "feature-extraction",
    "question-answering",
    "text-classification",
    "token-classification",
)


@register("layoutlm", tasks=(*TASKS, "document-question-answering"))
class LayoutLMOnnxConfig(BertOnnxConfig):
    """LayoutLM: BERT that adds the corners and the size of each word's box."""

    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (
        DummyTextInputGenerator,
        DummyBboxInputGenerator,
    )
    INPUT_NAMES: tuple[str, ...] = ("input_ids", "bbox", "attention_mask", "token_type_ids")


@register("lilt", tasks=READER_TASKS)
class LiltOnnxConfig(LayoutLMOnnxConfig):
    """LiLT: boxes have a stream of their own beside the text's, with RoBERTa's positions."""

    NORMALIZED_CONFIG_CLASS = NormalizedRobertaConfig
    INPUT_NAMES = ("input_ids", "bbox", "attention_mask")
    OMITTED_INPUTS = NO_TOKEN_TYPES


class DummyRelativeBboxInputGenerator(DummyBboxInputGenerator):
    """Boxes in parts of the page's width and height: float32 [batch, length, 4] within 0 and 1."""

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        import torch

        corners = torch.rand((dims[0], dims[1], 2, 2), generator=self.generator)
        return torch.flatten(corners.sort(dim=-2).values, start_dim=-2)


@register("bros", tasks=("feature-extraction", "token-classification"))
class BrosOnnxConfig(LayoutLMOnnxConfig):
    """BROS: the distance between two boxes counts in their attention."""

    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator, DummyRelativeBboxInputGenerator)


class NormalizedLayoutLMv3Config(NormalizedRobertaConfig, NormalizedVisionConfig):
    """LayoutLMv3: one configuration for the text and for the page's image."""

    _NAMES = {**NormalizedRobertaConfig._NAMES, "image_size": "input_size"}


@register("layoutlmv3", tasks=READER_TASKS)
class LayoutLMv3OnnxConfig(LiltOnnxConfig):
    """LayoutLMv3: the patches of the page's image follow its words. Eager refuses an image of any
    other size than `input_size`."""

    NORMALIZED_CONFIG_CLASS = NormalizedLayoutLMv3Config
    DUMMY_INPUT_GENERATOR_CLASSES = (
        DummyTextInputGenerator,
        DummyBboxInputGenerator,
        DummyVisionInputGenerator,
    )

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {**super().inputs, "pixel_values": {0: "batch_size"}}

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        """Words that are farther apart than this share one bucket of distances."""
        return {"sequence_length": (self.config.max_rel_pos,)}

    @property
    def outputs(self) -> NamedAxes:
        """The patches and their class token come last, and tokens alone are classified."""
        outputs = super().outputs
        if self.task in {"feature-extraction", "question-answering"}:
            patches = (self.config.input_size // self.config.patch_size) ** 2
            for axes in outputs.values():
                axes[1] = f"sequence_length + {patches + 1}"
        return outputs


class DummyXPathInputGenerator(DummyTextInputGenerator):
    """The way to a word through the tree of a page: int64 [batch, length, depth], the kinds of
    its elements and their numbers among their siblings."""

    SUPPORTED_INPUT_NAMES = ("xpath_tags_seq", "xpath_subs_seq")

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        config = self.normalized_config.config
        kinds = {
            "xpath_tags_seq": config.max_xpath_tag_unit_embeddings,
            "xpath_subs_seq": config.max_xpath_subs_unit_embeddings,
        }
        return self._integers(0, kinds[name], (dims[0], dims[1], config.max_depth))


@register("markuplm", tasks=READER_TASKS)
class MarkupLMOnnxConfig(BertOnnxConfig):
    """MarkupLM: reads web pages, and adds each word's way through their tree."""

    NORMALIZED_CONFIG_CLASS = NormalizedRobertaConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator, DummyXPathInputGenerator)
    INPUT_NAMES = (
        "input_ids",
        "attention_mask",
        "token_type_ids",
        "xpath_tags_seq",
        "xpath_subs_seq",
    )
