"""Models of videos: a fixed number of frames of a fixed size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes
from harness.configs.dummy_inputs import DummyInputGenerator
from harness.configs.feed_generators import Dims, FeedGenerators
from harness.configs.middle_end import VisionOnnxConfig
from harness.configs.normalized_config import NormalizedVisionConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import Axes
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch

TASKS = ("feature-extraction",)


class DummyVideoInputGenerator(DummyInputGenerator):
    """Videos: float32 [batch, frames, channels, height, width], the model's sizes."""

    SUPPORTED_INPUT_NAMES = ("pixel_values", "pixel_values_videos")
    IMAGE_AXES = (2, 3, 4)
    MODALITY = "vision"

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        config = self.normalized_config
        height, width = config.image_height_width
        frames = self._size(dims, 1, or_else="num_frames")
        return self._normal((dims[0], frames, int(config.num_channels), height, width))


class VideoOnnxConfig(VisionOnnxConfig):
    """Models of videos that have as many frames and pixels as the configuration says.

    So only the batch is dynamic. Only pre-training masks parts of a video.
    """

    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (DummyVideoInputGenerator,)
    INPUT_NAME = "pixel_values"

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {self.INPUT_NAME: {0: "batch_size"}}


register_rows(
    VideoOnnxConfig,
    Row("videomae", "VideoMAE", TASKS, "has fixed positions, and normalises at the end or not"),
    Row(
        "timesformer",
        "Timesformer",
        TASKS,
        "attends along time and space in turn; for videos of other sizes it picks the nearest "
        "positions, by branches that an export takes as for its own video",
    ),
)


@register("vivit", tasks=TASKS)
class VivitOnnxConfig(VideoOnnxConfig):
    """ViViT: boxes of pixels over several frames, and a class token that a layer pools."""

    @property
    def outputs(self) -> NamedAxes:
        return NamedAxes({**super().outputs, "pooler_output": {0: "batch_size"}})


@register("videoprism_vision_model", tasks=TASKS)
class VideoPrismVisionOnnxConfig(VideoOnnxConfig):
    """The vision tower of VideoPrism, which attends along space and then along time.

    States along space have one row for each frame, and states along time one for each patch.
    """

    INPUT_NAME = "pixel_values_videos"

    @property
    def outputs(self) -> NamedAxes:
        config = self.normalized_config
        height, width = config.image_height_width
        _, rows, columns = config.tubelet_size
        patches = (height // rows) * (width // columns)
        return NamedAxes(
            last_hidden_state={0: "batch_size"},
            last_temporal_hidden_state={0: f"{patches} * batch_size"},
            last_spatial_hidden_state={0: f"{config.num_frames} * batch_size"},
        )


@register("vjepa2", tasks=TASKS)
class VJEPA2OnnxConfig(VideoOnnxConfig):
    """V-JEPA 2: rotary positions along three axes, so there may be any number of frames.

    Files hold the encoder. The predictor is for pre-training, and its outputs are an object within
    the output. Without masks, the masked states are the states themselves.
    """

    NORMALIZED_CONFIG_CLASS = NormalizedVisionConfig.with_args(
        image_size="crop_size", num_channels="in_chans"
    )
    INPUT_NAME = "pixel_values_videos"
    DIVIDED_AXES = frozenset({"num_frames"})

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {self.INPUT_NAME: {0: "batch_size", 1: "num_frames"}}

    @property
    def outputs(self) -> NamedAxes:
        config = self.normalized_config
        patches = (config.image_size // config.patch_size) ** 2
        positions = f"{patches} * (num_frames // {config.tubelet_size})"
        return NamedAxes(last_hidden_state={0: "batch_size", 1: positions})

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        step = int(self.normalized_config.tubelet_size)
        return {"num_frames": AxisRange(step, 8 * step, export=4 * step, step=step)}

    @property
    def model_kwargs(self) -> Mapping[str, Any]:
        return {"skip_predictor": True}
