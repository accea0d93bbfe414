"""Call a model in eager mode, and compare the outputs of two calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from harness.evidence.fresh_state import fresh_state
from harness.inference.tensor_outputs import tensor_outputs

Outputs = Mapping[str, torch.Tensor]
_NOISE = 1e-6
"""The share of an output's largest value that two calls may differ by."""


def call(model: Any, feed: Mapping[str, torch.Tensor], *, seed: int = 0) -> dict[str, torch.Tensor]:
    """Return the tensors that a model gives for a feed, by their places in its outputs.

    Caches and other objects are left out. Random numbers that the model draws follow the seed.
    Raises whatever the model raises.
    """
    with torch.no_grad(), fresh_state(model), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        outputs = model(**{name: tensor.clone() for name, tensor in feed.items()})
    return dict(tensor_outputs(outputs))


def are_finite(outputs: Outputs) -> bool:
    """Whether all values of all outputs are finite, but for marks of what is masked."""
    return all(map(is_finite, outputs.values()))


def is_finite(tensor: torch.Tensor) -> bool:
    """Whether a tensor has finite values and, besides, no other than minus infinity.

    Models such as Grounding DINO give minus infinity for tokens that are masked. Numbers that are
    too large become infinite with both signs, or no numbers.
    """
    finite = torch.isfinite(tensor)
    return bool(finite.any() and (finite | torch.isneginf(tensor)).all()) or not tensor.numel()


def movement(before: Outputs, after: Outputs) -> float:
    """Return the largest difference of two calls, as a share of the output's largest value.

    An output of another shape, or integers that differ, count as 1. Values that are infinite or
    not a number in one call only count as 1 as well.
    """
    return max((_moved(one, after.get(name)) for name, one in before.items()), default=0.0)


def is_inert(moved: float) -> bool:
    """Whether a movement is not more than noise."""
    return moved <= _NOISE


def draws_random_numbers(model: Any, feed: Mapping[str, torch.Tensor]) -> bool:
    """Whether two calls with one feed differ, because the model draws random numbers."""
    return not is_inert(movement(call(model, feed), call(model, feed, seed=1)))


def _moved(one: torch.Tensor, other: torch.Tensor | None) -> float:
    if other is None or one.shape != other.shape:
        return 1.0
    if not one.is_floating_point():
        return 0.0 if torch.equal(one, other) else 1.0
    both = torch.isfinite(one) & torch.isfinite(other)
    if not torch.equal(torch.isfinite(one), torch.isfinite(other)):
        return 1.0
    if not both.any():
        return 0.0
    difference = float((one[both] - other[both]).abs().max())
    return difference / max(float(one[both].abs().max()), 1e-9)
