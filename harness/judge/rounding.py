"""How exact eager PyTorch is itself: in float32 beside the same model in float64.

Tolerances and equivalences are measured by it. What a model computes in float32 whatever it is
given, as T5's norm does its variance, rounds alike on both sides and is not seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.errors import one_line
from harness.evidence.sides import EagerError
from harness.requirements._compare import ROUNDINGS, compare

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.base import OnnxConfig
    from harness.evidence.reference import Arrays
    from harness.evidence.sides import Example, Sides
    from harness.requirements._base import Examined, Measure

EXAMPLES = 300
"""The largest rounding of fewer depends on which ones are drawn: of 30, by a factor of four."""
ALWAYS_ALLOWED = 1e-5
"""A tolerance up to this needs no measuring."""
FORGIVING = float("inf")
"""What a comparison still finds at this tolerance, none forgives."""


class UnmeasurableError(Exception):
    """Two sides differ in what no tolerance forgives, such as a shape, or one refuses its feed."""


def largest_allowed(rounding: float) -> float:
    """The largest tolerance for a model whose eager outputs are off by `rounding`."""
    return max(ALWAYS_ALLOWED, ROUNDINGS * rounding)


def eager_rounding(
    model: nn.Module, config: OnnxConfig, *, count: int = EXAMPLES, seed: int = 0
) -> float:
    """The largest of `eager_roundings`."""
    return max(eager_roundings(model, config, count=count, seed=seed))


def eager_roundings(
    model: nn.Module, config: OnnxConfig, *, count: int = EXAMPLES, seed: int = 0
) -> Iterator[float]:
    """max |float32 - float64| of each output of eager for the corners and `count` examples that are
    drawn, of the whole and of its parts. Raises UnmeasurableError where the two cannot be
    compared."""
    from harness.evidence.evidence import Evidence, Source
    from harness.evidence.session import single_thread
    from harness.judge.examples import draw_examples

    evidence = Evidence(model=model, config=config, source=Source())
    for example in draw_examples(config.axis_space, count=count, seed=seed):
        for sides in evidence.sides:
            with single_thread():
                measures = beside_float64(sides.reference(example), float64_outputs(sides, example))
            yield from (measure.max_abs_diff for measure in measures)


def float64_outputs(sides: Sides, example: Example) -> Arrays:
    """What eager gives in float64 for an example; raises UnmeasurableError where it refuses."""
    try:
        return sides.exact(sides.feed(example))
    except EagerError as error:
        raise UnmeasurableError(
            f"eager PyTorch in float64: got {one_line(error)}, expected it to take what it takes "
            "in float32"
        ) from error


def beside_float64(got: Arrays, expected: Arrays) -> tuple[Measure, ...]:
    """How far each output is off, which the strict comparison measures once `got` is widened."""
    import numpy as np

    wide = {n: a.astype(np.float64) if a.dtype.kind == "f" else a for n, a in got.items()}
    return unless_found(compare(expected, wide, FORGIVING))


def unless_found(examined: Examined) -> tuple[Measure, ...]:
    """The measures of a comparison; raises UnmeasurableError for what it found."""
    if examined.findings:
        raise UnmeasurableError(examined.findings[0].message)
    return examined.measures
