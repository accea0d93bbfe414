"""The tensors in the result of a model, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def tensor_outputs(result: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Yield name and tensor of each field of a result, nested ones as `outer.inner`.

    Names are the fields of transformers' ModelOutput; elements of tuples have their number.
    Caches are left out.
    """
    import torch

    if isinstance(result, torch.Tensor):
        yield name or "output", result
    elif isinstance(result, Mapping):
        for field, value in result.items():
            yield from tensor_outputs(value, f"{name}.{field}" if name else str(field))
    elif isinstance(result, (list, tuple)):
        for number, value in enumerate(result):
            yield from tensor_outputs(value, f"{name}.{number}" if name else str(number))
