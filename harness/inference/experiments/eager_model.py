"""Calls of a whole model as a user writes them, with every tensor that it returns by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.evidence.reference import calling
from harness.inference.experiments.cache_tensors import (
    CACHE_ARGUMENTS,
    is_cache,
    name_of,
    tensors_of,
)
from harness.inference.tensor_outputs import tensor_outputs

if TYPE_CHECKING:
    import torch
    from torch import nn

Tensors = Mapping[str, "torch.Tensor"]


@dataclass(frozen=True, slots=True)
class EagerModel:
    """A model that is called with keywords, and with a cache if `use_cache` and if it takes one."""

    model: nn.Module
    use_cache: bool = False

    def __call__(self, feed: Tensors) -> dict[str, torch.Tensor]:
        """Return output name -> tensor, cache tensors included under their `name_of`."""
        with calling(self.model):
            result = self.result(feed)
        outputs = dict(tensor_outputs(result))
        cache = cache_in(result) if self.use_cache else None
        held = {} if cache is None else tensors_of(cache)
        return outputs | {name_of(place): tensor for place, tensor in held.items()}

    def result(self, feed: Tensors, *, cache: Any = None) -> Any:
        """Return what the model returns; raises what it raises."""
        more: dict[str, Any] = {}
        if "use_cache" in self._arguments:
            more["use_cache"] = self.use_cache
        if cache is not None and self.cache_argument is not None:
            more[self.cache_argument] = cache
        return self.model(**feed, **more)

    @property
    def cache_argument(self) -> str | None:
        """The argument of `forward` that takes the cache, None if it takes none."""
        return next((name for name in CACHE_ARGUMENTS if name in self._arguments), None)

    def takes(self, name: str) -> bool:
        """Whether `forward` names this argument."""
        return name in self._arguments

    @property
    def _arguments(self) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(self.model.forward).parameters


def cache_in(result: Any) -> Any | None:
    """Return the cache among the fields of a result, or None."""
    values = result.values() if hasattr(result, "values") else ()
    return next((value for value in values if is_cache(value)), None)
