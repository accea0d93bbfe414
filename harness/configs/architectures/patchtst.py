"""PatchTST, and PatchTSMixer, which mixes the same patches without attention."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from harness.configs.base import NamedAxes
from harness.configs.middle_end import SeriesOnnxConfig
from harness.configs.replaced_functions import replace_forward
from harness.configs.tasks import register
from harness.errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import nn

_HEADS = ("time-series-forecasting", "time-series-regression")
"""The tasks whose head may return the parameters of a distribution."""


@register("patchtst", tasks=("feature-extraction", "time-series-classification", *_HEADS))
class PatchTSTOnnxConfig(SeriesOnnxConfig):
    """PatchTST. Eager refuses series of another length than `context_length`, and another number of
    channels than `num_input_channels`, so only the batch is dynamic.

    The head for pre-training is left out: it masks patches at random in eval mode too, so eager
    PyTorch is no reference.
    """

    MODEL_CLASSES: ClassVar[Mapping[str, str]] = {
        "time-series-forecasting": "PatchTSTForPrediction"
    }
    PATCHIFIER: ClassVar[str] = "PatchTSTPatchify"
    """The class of the module that cuts a series into patches."""

    def __init__(self, config: Any, task: str = "feature-extraction") -> None:
        super().__init__(config, task)
        loss = getattr(config, "loss", "mse")
        if self.task in _HEADS and loss != "mse":
            raise UsageError(
                f"{config.model_type} with loss={loss!r}: {self.task} returns the parameters of a "
                "distribution, several tensors under one name; expected loss='mse'"
            )

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Cut patches along the last axis: TorchScript puts them on a wrong axis if `unfold` has a
        negative dimension."""
        return replace_forward(model, self.PATCHIFIER, _patches)


@register("patchtsmixer", tasks=("feature-extraction", "time-series-classification", *_HEADS))
class PatchTSMixerOnnxConfig(PatchTSTOnnxConfig):
    """PatchTSMixer. Its classifier returns its logits under the name of a forecast."""

    MODEL_CLASSES = {"time-series-forecasting": "PatchTSMixerForPrediction"}
    PATCHIFIER = "PatchTSMixerPatchify"

    @property
    def outputs(self) -> NamedAxes:
        if self.task == "time-series-classification":
            return OrderedDict(prediction_outputs={0: "batch_size"})
        return super().outputs


def _patches(patchifier: Any, past_values: torch.Tensor) -> torch.Tensor:
    """Return the patches of each channel: [batch, channels, patches, patch length]."""
    series = past_values[:, patchifier.sequence_start :].transpose(1, 2)
    return series.unfold(2, patchifier.patch_length, patchifier.patch_stride)
