"""How the weights of a tiny model are redrawn: strong enough to react, weak enough to be finite."""

from __future__ import annotations

from typing import Any

_SEED = 7
_STRENGTHS = ((0.5, 0.3, 1.0), (0.5, 0.3, 2.0), (0.3, 0.3, 1.0), (0.3, 0.1, 1.5), (0.1, 0.1, 1.0))
"""Deviations of matrices and of vectors, and gains of kernels, in the order of trying."""


def perturbations(model: Any) -> list[dict[str, Any]]:
    """Return the arguments of `harness.evidence.models.perturb` to try, in order.

    Kernels of convolutions are spread by their fan-in, so that deep networks keep their signal.
    Saved buffers that are all 0 or 1, such as means and variances of normalisation, move as well.
    """
    from torch import nn

    convolutions = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    has_kernels = any(isinstance(module, convolutions) for module in model.modules())
    buffers = _moved_by_training(model)
    found: list[dict[str, Any]] = []
    for matrix_std, vector_std, gain in _STRENGTHS:
        one: dict[str, Any] = {"seed": _SEED, "matrix_std": matrix_std, "vector_std": vector_std}
        one |= {"kernel_gain": gain} if has_kernels else {}
        one |= {"buffers": buffers} if buffers else {}
        found += [one] if one not in found else []
    return found


def _moved_by_training(model: Any) -> list[str]:
    """Return globs of the saved buffers that start at 0 or 1."""
    saved = set(model.state_dict())
    names = (
        name
        for name, buffer in model.named_buffers()
        if name in saved and buffer.is_floating_point() and buffer.ndim == 1
    )
    return sorted({f"*.{name.rpartition('.')[2]}" for name in names})
