"""Places of a model that hold weights: parameters and buffers of its modules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn


@dataclass(frozen=True, slots=True)
class WeightPlace:
    """A parameter or buffer of one module. Modules that share a weight are places of their own.

    `name` is the weight's name in the state of the model, such as `encoder.layer.0.dense.weight`.
    """

    name: str
    owner: nn.Module
    attribute: str
    looks_up: bool
    """Whether the module looks rows up, as an embedding does, and multiplies by none."""

    @property
    def tensor(self) -> torch.Tensor:
        tensor: torch.Tensor = getattr(self.owner, self.attribute)
        return tensor

    @property
    def values(self) -> np.ndarray[Any, Any]:
        """The weight as float32."""
        values: np.ndarray[Any, Any] = self.tensor.detach().float().cpu().numpy()
        return values

    def replace(self, values: np.ndarray[Any, Any]) -> None:
        """Give this place values of its own; other places of a shared weight keep theirs."""
        import torch
        from torch import nn

        new = torch.from_numpy(values.copy()).to(self.tensor.dtype)
        if self.attribute in self.owner._parameters:
            setattr(self.owner, self.attribute, nn.Parameter(new, requires_grad=False))
        else:
            self.owner._buffers[self.attribute] = new


def weight_places(model: nn.Module) -> Iterator[WeightPlace]:
    """Yield every place of a model that holds floating-point numbers."""
    from torch import nn

    for prefix, module in model.named_modules():
        for attribute, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None and tensor.is_floating_point() and tensor.numel():
                name = f"{prefix}.{attribute}" if prefix else attribute
                yield WeightPlace(name, module, attribute, isinstance(module, nn.Embedding))
