"""Encoders of speech whose frames are strided convolutions of a waveform, such as wav2vec 2.0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes
from harness.configs.feed_generators import FeedGenerator, FeedGenerators, FeedRequest, Tensors
from harness.configs.middle_end import AudioOnnxConfig
from harness.configs.task_table import Axes

if TYPE_CHECKING:
    import torch

    from harness.configs.normalized_config import NormalizedConfig

Convolutions = Sequence[tuple[int, int, int]]
"""Kernel, stride and padding of each."""

SAMPLES = "sequence_length"
"""The axis of a waveform, named as in Optimum: its number of samples."""

_FRAMES_OF_TASK = {
    "audio-frame-classification": "logits",
    "automatic-speech-recognition": "logits",
    "feature-extraction": "last_hidden_state",
}
"""Task -> the output that has one vector for each frame."""

_FRAMES_BEYOND = {"export": 5, "high": 16}
"""How many frames an export and the longest drawn waveform have more than the shortest one."""


class DummySpeechInputGenerator(FeedGenerator):
    """Waveforms of zero mean and unit variance: float32 [batch, samples]; and the mask over them,
    whose rows are padded at the end and show enough samples for a frame, as eager needs."""

    SUPPORTED_INPUT_NAMES = ("input_values", "attention_mask")
    MODALITY = "audio"

    def draw(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        feed = self.ordinary(request)
        if "attention_mask" in feed:
            feed["attention_mask"] = self._end_mask(*feed["attention_mask"].shape)
        return feed

    def ordinary(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        import torch

        sizes = {name: (dims[0], dims[1]) for name, dims in request.dims.items()}
        ones = {name: torch.ones(*shape, dtype=torch.int64) for name, shape in sizes.items()}
        return {**ones, "input_values": self._normal(sizes["input_values"])}

    def pad(self, feed: Tensors, places: Tensors) -> dict[str, torch.Tensor]:
        """Return a feed with zeros at `places`, as transformers' feature extractors write them."""
        return {**feed, **{name: feed[name].masked_fill(at, 0) for name, at in places.items()}}

    def _end_mask(self, rows: int, length: int) -> torch.Tensor:
        """Return a mask with rows of any length from the shortest on, about half of them full."""
        import torch

        least = least_size(1, feature_convolutions(self.normalized_config))
        lengths = self._integers(least, 2 * length - least + 1, (rows, 1))
        return (torch.arange(length) < lengths).to(torch.int64)


class SpeechEncoderOnnxConfig(AudioOnnxConfig):
    """Speech encoders whose frames follow from the kernels and strides of their convolutions.

    Feature extractors that normalise each frame are used with an `attention_mask` over the samples.
    Those that normalise over the time of the first convolution are trained and used without a mask,
    on waveforms padded with zeros, since padding changes all their frames anyway.
    """

    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (DummySpeechInputGenerator,)
    DIVIDED_AXES = frozenset({SAMPLES})
    OMITTED_INPUTS = {
        "attention_mask": "models with feat_extract_norm `group` are trained and used without it; "
        "`audio-xvector` would loop over the lengths of the rows in Python"
    }

    @property
    def inputs(self) -> Mapping[str, Axes]:
        axes = {0: "batch_size", 1: SAMPLES}
        names = ("input_values", "attention_mask") if self.takes_mask else ("input_values",)
        return {name: dict(axes) for name in names}

    @property
    def takes_mask(self) -> bool:
        """Whether users feed a mask, and a file can take it."""
        is_normalised_by_frame = self.normalized_config.feat_extract_norm == "layer"
        return is_normalised_by_frame and self.task != "audio-xvector"

    @property
    def end_masks(self) -> Mapping[str, int]:
        shortest = least_size(1, feature_convolutions(self.normalized_config))
        return {"attention_mask": shortest} if self.takes_mask else {}

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self.task in _FRAMES_OF_TASK:
            frames = convolved(SAMPLES, self.convolutions)
            outputs[_FRAMES_OF_TASK[self.task]] = {0: "batch_size", 1: frames}
        return outputs

    @property
    def convolutions(self) -> Convolutions:
        """The convolutions between the samples and the frames of the outputs."""
        return feature_convolutions(self.normalized_config)

    @property
    def attended_positions(self) -> str:
        return convolved(SAMPLES, feature_convolutions(self.normalized_config))

    @property
    def least_frames(self) -> int:
        """The fewest frames that the head of the task admits."""
        if self.task != "audio-xvector":
            return 1
        config = self.normalized_config
        kernels = zip(config.tdnn_kernel, config.tdnn_dilation, strict=True)
        # The standard deviation over the time of a single frame is not a number.
        return 2 + sum((int(kernel) - 1) * int(dilation) for kernel, dilation in kernels)

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        sizes = {
            name: least_size(self.least_frames + frames, self.convolutions)
            for name, frames in {"low": 0, **_FRAMES_BEYOND}.items()
        }
        return {SAMPLES: AxisRange(**sizes), **super().axis_ranges}


def feature_convolutions(config: NormalizedConfig) -> Convolutions:
    """Return the convolutions of a feature encoder."""
    pairs = zip(config.conv_kernel, config.conv_stride, strict=True)
    return tuple((kernel, stride, 0) for kernel, stride in pairs)


def convolved(text: str, convolutions: Convolutions) -> str:
    """Return the axis expression of a length after convolutions (kernel, stride, padding).

    Each has (length + 2 * padding - kernel) // stride + 1 (torch.nn.Conv1d).
    """
    for kernel, stride, padding in convolutions:
        less = kernel - 2 * padding
        text = f"({text} - {less}) // {stride} + 1"
    return text


def least_size(length: int, convolutions: Convolutions) -> int:
    """Return the least size that has at least this length after convolutions."""
    for kernel, stride, padding in reversed(convolutions):
        length = (length - 1) * stride + kernel - 2 * padding
    return length
