"""How exact eager PyTorch is itself: in float32 beside the same model in float64.

Tolerances and equivalences are measured by it. What a model computes in float32 whatever it is
given, as T5's norm does its variance, rounds alike on both sides and is not seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import one_line
from harness.evidence.reference import in_float64, widened
from harness.evidence.sides import EagerError

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.base import OnnxConfig
    from harness.evidence.evidence import Evidence
    from harness.evidence.reference import Arrays
    from harness.evidence.sides import Example, Sides
    from harness.requirements._base import Examined, Measure

EXAMPLES = 300
"""The largest rounding of fewer depends on which ones are drawn: of 30, by a factor of four."""
ALWAYS_ALLOWED = 1e-5
"""A tolerance up to this needs no measuring."""
ROUNDINGS = 10
"""How often eager's own rounding a larger one may be."""
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
    """max |float32 - float64| of eager over the corners and `count` examples that are drawn, of
    the whole and of its parts. Raises UnmeasurableError where the two cannot be compared."""
    from harness.evidence.evidence import Evidence, Source
    from harness.evidence.session import single_thread
    from harness.judge.examples import draw_examples

    evidence, exact = Evidence(model=model, config=config, source=Source()), in_float64(model)
    with single_thread():
        return max(
            measure.max_abs_diff
            for example in draw_examples(config.axis_space, count=count, seed=seed)
            for sides in all_sides(evidence)
            for measure in beside_float64(
                sides.reference(example), float64_outputs(sides, example, exact)
            )
        )


def all_sides(evidence: Evidence) -> list[Sides]:
    """Each part, then all of them together where they are several."""
    together = [] if evidence.together is None else [evidence.together]
    return [*evidence.parts, *together]


def float64_outputs(sides: Sides, example: Example, exact: nn.Module) -> Arrays:
    """What the model `exact` gives for the feed of an example, widened as well.

    Raises UnmeasurableError where it refuses.
    """
    try:
        return sides.eager(widened(sides.feed(example)), model=exact)
    except EagerError as error:
        raise UnmeasurableError(
            f"eager PyTorch in float64: got {one_line(error)}, expected it to take what it takes "
            "in float32"
        ) from error


def beside_float64(got: Arrays, expected: Arrays) -> tuple[Measure, ...]:
    """How far each output is off, which the strict comparison measures once `got` is widened."""
    import numpy as np

    from harness.requirements._compare import compare

    wide = {n: a.astype(np.float64) if a.dtype.kind == "f" else a for n, a in got.items()}
    return unless_found(compare(expected, wide, FORGIVING))


def unless_found(examined: Examined) -> tuple[Measure, ...]:
    """The measures of a comparison; raises UnmeasurableError for what it found."""
    if examined.findings:
        raise UnmeasurableError(examined.findings[0].message)
    return examined.measures
