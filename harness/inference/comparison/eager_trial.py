"""What an experiment with axes does not show: whether a description fits the code of a model.

Eager must accept the least sizes, and give the same outputs after the patches for exporters: these
replace functions of the architecture that the description is for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.errors import HarnessError, one_line
from harness.evidence.cell_files import Source
from harness.evidence.evidence import Evidence
from harness.evidence.example import Example
from harness.evidence.reference import Arrays, EagerError, call_reference
from harness.exporters._wrapper import export_copy

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.base import OnnxConfig

_ROUNDING = 1e-3
"""The share of an output's largest value that rounding may make."""


def differences_on_eager(config: OnnxConfig, model: nn.Module) -> Iterator[str]:
    """Yield how eager differs from a description: at the least sizes, and for each part."""
    refusal = refusal_of_least_sizes(config, model)
    if refusal is not None:
        yield refusal
    for part in config.parts.values():
        problem = _difference_of_patched(part, model)
        if problem is not None:
            yield problem


def refusal_of_least_sizes(config: OnnxConfig, model: nn.Module) -> str | None:
    """Return how eager refuses the least sizes of all axes, for a part or for the whole model; None
    if it accepts them."""
    space = config.axis_space
    least = Example.of(space.complete({n: one.low for n, one in space.ranges.items()}), 0)
    for sides in Evidence(model=model, config=config, source=Source()).sides:
        try:
            sides.reference(least)
        except (EagerError, HarnessError) as error:
            return f"eager refuses [{least}]: {one_line(error)}"
    return None


def _difference_of_patched(part: OnnxConfig, model: nn.Module) -> str | None:
    feed = part.generate_dummy_inputs()
    expected = call_reference(model, part, feed)
    try:
        patched = part.patch_model_for_export(export_copy(model))
        got = call_reference(patched, part, feed)
    except Exception as error:  # a patch is written for another architecture
        return f"its patches do not fit: {type(error).__name__}: {one_line(error)}"
    moved = [name for name in expected if not _is_same(expected, got, name)]
    return f"its patches change {moved[0]}" if moved else None


def _is_same(expected: Arrays, got: Arrays, name: str) -> bool:
    import numpy as np

    one, other = expected[name], got[name]
    largest = np.abs(one, where=np.isfinite(one), out=np.zeros(one.shape)).max(initial=0.0)
    return one.shape == other.shape and np.allclose(
        one, other, rtol=0.0, atol=_ROUNDING * largest, equal_nan=True
    )
