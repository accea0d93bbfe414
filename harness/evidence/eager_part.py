"""Eager PyTorch's call of a part of the model, in float32, in float64 and with other weights."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.errors import one_line
from harness.evidence.float64 import float64_by_default, float64_everywhere
from harness.evidence.memory import out_of_memory
from harness.evidence.reference import Arrays, EagerError, call_reference, to_float64

if TYPE_CHECKING:
    import torch
    from torch import nn

    from harness.configs.base import OnnxConfig
    from harness.evidence.model_copies import ModelCopies


class EagerPart:
    """Calls the part of the model that a description is about. No output is cached."""

    def __init__(self, copies: ModelCopies, config: OnnxConfig) -> None:
        self.copies = copies
        self.config = config

    def __call__(
        self, feed: Mapping[str, torch.Tensor], *, model: nn.Module | None = None
    ) -> Arrays:
        """Call the model, or another `model`, and return its outputs by name.

        Raises EagerError if the call raises, and OutOfMemoryError if memory runs out.
        """
        try:
            return call_reference(model or self.copies.original, self.config, feed)
        except Exception as error:
            refusal = EagerError(f"{type(error).__name__}: {one_line(error)}")
            raise out_of_memory(error) or refusal from error

    def in_float64(self, feed: Mapping[str, torch.Tensor]) -> Arrays:
        """Call the model in float64, with the feed in float64 too; raises as a call does.

        If the model refuses that, it is called once more with all results in float64.
        """
        wide = to_float64(feed)
        with float64_by_default():
            try:
                return self(wide, model=self.copies.float64)
            except EagerError:
                with contextlib.suppress(EagerError), float64_everywhere():
                    return self(wide, model=self.copies.float64)
                raise
