"""How the weights of a tiny model are redrawn: strong enough to react, weak enough to be finite."""

from __future__ import annotations

from typing import Any

_SEED = 7
_STRENGTHS = ((0.5, 0.3), (0.3, 0.3), (0.3, 0.1), (0.1, 0.1))
"""Deviations of matrices and of vectors, in the order in which they are tried."""
_KERNEL_GAIN = 1.0


def perturbations(model: Any) -> list[dict[str, Any]]:
    """Return the arguments of `harness.evidence.models.perturb` to try, in order.

    Kernels of convolutions are spread by their fan-in, so that deep networks keep their signal.
    Saved buffers that are all 0 or 1, such as means and variances of normalisation, move as well.
    """
    from torch import nn

    shared: dict[str, Any] = {"seed": _SEED}
    extra: dict[str, Any] = {}
    if any(isinstance(m, nn.Conv1d | nn.Conv2d | nn.Conv3d) for m in model.modules()):
        extra["kernel_gain"] = _KERNEL_GAIN
    if buffers := _moved_by_training(model):
        extra["buffers"] = buffers
    return [{**shared, "matrix_std": m, "vector_std": v, **extra} for m, v in _STRENGTHS]


def _moved_by_training(model: Any) -> list[str]:
    """Return globs of the saved buffers that start at 0 or 1."""
    saved = set(model.state_dict())
    names = (
        name
        for name, buffer in model.named_buffers()
        if name in saved and buffer.is_floating_point() and buffer.ndim == 1
    )
    return sorted({f"*.{name.rpartition('.')[2]}" for name in names})
