"""`padding`: padded rows get the values of eager PyTorch at every defined position.

At a position that sees only padding, the attention implementations of transformers differ, and
correct files follow one of them. So only defined positions are compared. A position is defined if
the reference moves there by at most atol / 10 when the hidden values are redrawn, and when the
attention implementation is switched.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.errors import RuntimeRefusalError
from harness.evidence.reference import EagerError
from harness.evidence.session import CandidateError
from harness.requirements._masking import PaddedFeed, padded_example, padded_feed
from harness.requirements._movement import examine_until_decided, merge, movement, no_reaction
from harness.requirements.shared.blame import (
    ROUNDING_EXCEPTION,
    blame_by_execution,
    measure_rounding,
)
from harness.requirements.shared.comparison import compare, settle_ties
from harness.requirements.shared.requirement import Examined, Finding, Requirement

if TYPE_CHECKING:
    import numpy as np

    from harness.configs.axes import AxisSizes
    from harness.configs.base import OnnxConfig
    from harness.evidence.example import Example
    from harness.evidence.reference import Arrays
    from harness.evidence.sides import Sides
    from harness.evidence.tolerance import Tolerance

    PositionMasks = Mapping[str, np.ndarray[Any, Any]]


@dataclass(frozen=True, slots=True)
class _Expected:
    """The outputs of eager PyTorch for a padded feed, and their defined positions.

    `defined` has size 1 on the static axes of an output, since a position is defined as a whole.
    `doubts` are the reasons why a file that is wrong for a pattern, or that ignores the mask, would
    have passed.
    """

    feed: PaddedFeed
    outputs: Arrays
    defined: PositionMasks
    doubts: Mapping[str, str | None]


def examine_sides(sides: Sides, example: Example, tolerance: Tolerance) -> Examined:
    """Examine every mask input with rows of every padding pattern."""
    return merge(
        examined
        for mask in sides.config.masks
        for examined in examine_until_decided(
            sides, example, partial(_examine_mask, sides, mask, tolerance)
        )
    )


def _padded_sizes(config: OnnxConfig, example: Example) -> AxisSizes:
    """Return the largest sizes of the padded feeds, over all masks."""
    padded = [padded_example(config, mask, example).axes for mask in config.masks]
    return {name: max(sizes[name] for sizes in padded) for name in padded[0]} if padded else {}


def _examine_mask(sides: Sides, mask: str, tolerance: Tolerance, example: Example) -> Examined:
    try:
        expected = sides.fact(
            ("padding", mask, example, tolerance), lambda: _expect(sides, mask, example, tolerance)
        )
    except EagerError as error:
        doubt = f"eager PyTorch: got {error}, expected it to accept rows padded by {mask}"
        return Examined(doubts={mask: doubt})
    try:
        candidate = _run(sides, expected)
    except CandidateError as error:
        message = f"ONNX Runtime: got {error}, expected it to accept rows padded by {mask}"
        refusal = Finding(message=message, part=sides.stem, error=RuntimeRefusalError)
        return Examined((refusal,))
    candidate = settle_ties(expected.outputs, candidate, tolerance, choices=sides.config.CHOICES)
    examined = _compare(expected, candidate, tolerance)
    if examined.findings:
        return _name_patterns(sides, expected, candidate, examined, tolerance)
    return dataclasses.replace(examined, doubts=expected.doubts)


def _expect(sides: Sides, mask: str, example: Example, tolerance: Tolerance) -> _Expected:
    """Compute the expected values from eager PyTorch alone; raises EagerError."""
    import numpy as np
    import torch

    feed = padded_feed(sides.config, mask, example)
    outputs = sides.eager(feed.tensors)
    inputs = sides.config.inputs
    redrawn = sides.config.redraw(feed.tensors, feed.hidden, seed=example.seed + 1)
    others = [sides.eager(redrawn)]
    other_attention = sides.subject.copies.other_attention
    if other_attention is not None:
        others.append(sides.eager(feed.tensors, model=other_attention))
    moves = [_moves(sides.config, outputs, other) for other in others]
    defined = {
        name: np.logical_and.reduce(
            [moved[name] <= tolerance.for_output(name) / 10 for moved in moves]
        )
        & ~feed.unchanged_hidden_rows(redrawn, inputs, axes, outputs[name].ndim)
        for name, axes in sides.config.outputs.items()
    }
    shown = {**feed.tensors, feed.mask: torch.ones_like(feed.tensors[feed.mask])}
    by_mask = _moves(sides.config, outputs, sides.eager(shown))
    effects = {n: float(by_mask[n][where].max(initial=0.0)) for n, where in defined.items()}
    doubts = _doubts(sides.config, feed, defined, effects, tolerance)
    return _Expected(feed, outputs, defined, doubts)


def _moves(config: OnnxConfig, before: Arrays, after: Arrays) -> PositionMasks:
    """Return how far each position moves: the largest movement over its static axes."""
    return {
        name: movement(before[name], after[name]).max(
            axis=tuple(a for a in range(before[name].ndim) if a not in axes),
            keepdims=True,
            initial=0.0,
        )
        for name, axes in config.outputs.items()
    }


def _run(sides: Sides, expected: _Expected) -> Arrays:
    return sides.run({name: tensor.numpy() for name, tensor in expected.feed.tensors.items()})


def _compare(
    expected: _Expected,
    candidate: Arrays,
    tolerance: Tolerance,
    *,
    within: PositionMasks | None = None,
) -> Examined:
    """Compare strictly, with reference values at the positions that are not compared.

    Those are the undefined positions, unless only the file's value is not finite there, and the
    positions outside `within`.
    """
    import numpy as np

    compared = dict(candidate)
    for name in expected.outputs.keys() & candidate.keys():
        reference, got = expected.outputs[name], candidate[name]
        if reference.shape == got.shape:
            is_lost = np.isfinite(reference) & ~np.isfinite(got)
            counts = (expected.defined[name] | is_lost) & (True if within is None else within[name])
            compared[name] = np.where(counts, got, reference.astype(got.dtype))
    return compare(expected.outputs, compared, tolerance)


def _doubts(
    config: OnnxConfig,
    feed: PaddedFeed,
    defined: PositionMasks,
    effects: Mapping[str, float],
    tolerance: Tolerance,
) -> dict[str, str | None]:
    """Return why a wrong file could have passed: a reason or None, for a mask and each pattern.

    A mask gets a reason if the reference hardly changes without it: `effects` has the largest
    change of each output at a defined position. A padding pattern gets one if no position of its
    rows is defined. Completely hidden rows get none, since their outputs only have to be finite.
    """
    mask = feed.mask
    doubts = {
        f"{mask} {pattern}": None
        if any(
            (defined[n] & where).any() for n, where in _pattern_rows(config, feed, pattern, defined)
        )
        else f"no position is defined in the rows that {mask} pads with the pattern {pattern!r}"
        for pattern in feed.patterns
        if pattern != "none"
    }
    when = f"at defined positions when {mask} is all ones"
    reason = no_reaction(effects, tolerance, when=when, fault="a file that ignores it")
    return {mask: reason, **doubts}


def _pattern_rows(
    config: OnnxConfig, feed: PaddedFeed, pattern: str, defined: PositionMasks
) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Yield each output name with a mask of its positions in rows of the pattern."""
    for name, axes in config.outputs.items():
        yield name, feed.rows(pattern, axes, defined[name].ndim)


def _name_patterns(
    sides: Sides, expected: _Expected, candidate: Arrays, examined: Examined, tolerance: Tolerance
) -> Examined:
    """Return the findings; each names the padding patterns, such as `left`, that show it."""
    feed = expected.feed
    patterns = [
        pattern
        for pattern in feed.patterns
        for within in [dict(_pattern_rows(sides.config, feed, pattern, expected.defined))]
        if _compare(expected, candidate, tolerance, within=within).findings
    ]
    where = f"{feed.mask} ({', '.join(patterns) or 'all rows'}; {feed.example})"
    findings = tuple(
        dataclasses.replace(f, message=f"{where}: {f.message}", part=sides.stem)
        for f in examined.findings
    )
    return dataclasses.replace(examined, findings=findings, doubts={})


def _why_not_applicable(config: OnnxConfig) -> str | None:
    return None if config.masks else "no input is a mask, so no row is padded"


REQUIREMENT = Requirement(
    id="padding",
    rank=80,
    proves="rows that are padded at the start, at the end, in the middle, completely or not at all "
    "get the values of eager PyTorch (only at the end or not at all, if the model admits no other)",
    fails_when="a value differs by more than atol at a defined position (the reference moves by at "
    "most atol / 10 there when the masked values are redrawn and when the attention implementation "
    "is switched), or a value is not finite where the reference is" + ROUNDING_EXCEPTION,
    why_not_applicable=_why_not_applicable,
    sizes=_padded_sizes,
    sample=30,
    examine_example=examine_sides,
    examine_together=examine_sides,
    explain=blame_by_execution,
    measure_rounding=measure_rounding,
)
