"""`padding`: padded rows get the numbers of eager PyTorch wherever those are defined.

What a model gives at a place that sees nothing but padding is nobody's business: transformers' own
attention implementations differ there, and correct files follow one or the other. So a position is
defined if the reference there hardly moves when what the mask hides is redrawn, and when the
attention implementation is switched.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.errors import RuntimeRefusalError
from harness.evidence.session import CandidateError
from harness.evidence.sides import EagerError
from harness.requirements._base import Examined, Finding, Requirement
from harness.requirements._blame import UNLESS_UNSURE, by_execution, rounding
from harness.requirements._compare import compare, settle_ties
from harness.requirements._masking import PATTERNS, PaddedFeed, padded_feed
from harness.requirements._movement import REACTION, merged, movement, until_sure

if TYPE_CHECKING:
    import numpy as np

    from harness.configs.base import OnnxConfig
    from harness.evidence.reference import Arrays
    from harness.evidence.sides import Example, Sides

    Places = Mapping[str, np.ndarray[Any, Any]]


@dataclass(frozen=True, slots=True)
class _Expected:
    """What eager PyTorch gives for a padded feed, and where that means something.

    `defined` has size 1 on the static axes of an output: a position is all of its entries.
    `doubts` say why a file that is wrong about a pattern, or ignores the mask, would have passed.
    """

    feed: PaddedFeed
    outputs: Arrays
    defined: Places
    doubts: Mapping[str, str | None]


def examine_sides(sides: Sides, example: Example, atol: float) -> Examined:
    """Judge every mask by rows of every pattern."""
    return merged(
        examined
        for mask in sides.config.masks
        for examined in until_sure(example, partial(_examine_mask, sides, mask, atol))
    )


def _examine_mask(sides: Sides, mask: str, atol: float, example: Example) -> Examined:
    try:
        expected = sides.fact(
            ("padding", mask, example, atol), lambda: _expect(sides, mask, example, atol)
        )
    except EagerError as error:
        doubt = f"eager PyTorch: got {error}, expected it to take rows padded by {mask}"
        return Examined(doubts={mask: doubt})
    try:
        candidate = _run(sides, expected)
    except CandidateError as error:
        message = f"ONNX Runtime: got {error}, expected it to take rows padded by {mask}"
        refusal = Finding(message=message, part=sides.stem, error=RuntimeRefusalError)
        return Examined((refusal,))
    candidate = settle_ties(expected.outputs, candidate, atol, choices=sides.config.CHOICES)
    examined = _compare(expected, candidate, atol)
    if examined.findings:
        return _explained(sides, expected, candidate, examined, atol)
    return dataclasses.replace(examined, doubts=expected.doubts)


def _expect(sides: Sides, mask: str, example: Example, atol: float) -> _Expected:
    """What follows from eager alone; raises EagerError."""
    import numpy as np
    import torch

    feed = padded_feed(sides.config, mask, example)
    outputs = sides.eager(feed.tensors)
    inputs = sides.config.inputs
    redrawn = sides.config.redraw(feed.tensors, feed.hidden, seed=example.seed + 1)
    others = [sides.eager(redrawn)]
    if sides.owner.other_attention is not None:
        others.append(sides.eager(feed.tensors, model=sides.owner.other_attention))
    moves = [_moves(sides.config, outputs, other) for other in others]
    defined = {
        name: np.logical_and.reduce([moved[name] <= atol / 10 for moved in moves])
        & ~feed.untested(redrawn, inputs, axes, outputs[name].ndim)
        for name, axes in sides.config.outputs.items()
    }
    shown = {**feed.tensors, feed.mask: torch.ones_like(feed.tensors[feed.mask])}
    by_mask = _moves(sides.config, outputs, sides.eager(shown))
    effect = max(float(by_mask[n][where].max(initial=0.0)) for n, where in defined.items())
    doubts = _doubts(sides.config, feed, defined, effect, atol)
    return _Expected(feed, outputs, defined, doubts)


def _moves(config: OnnxConfig, before: Arrays, after: Arrays) -> Places:
    """How far each position moves, at the most of its static entries."""
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
    expected: _Expected, candidate: Arrays, atol: float, *, within: Places | None = None
) -> Examined:
    """Strictly, with the reference's own numbers in place of those that nothing is asked of."""
    import numpy as np

    judged = dict(candidate)
    for name in expected.outputs.keys() & candidate.keys():
        reference, got = expected.outputs[name], candidate[name]
        if reference.shape == got.shape:
            is_lost = np.isfinite(reference) & ~np.isfinite(got)
            counts = (expected.defined[name] | is_lost) & (True if within is None else within[name])
            judged[name] = np.where(counts, got, reference.astype(got.dtype))
    return compare(expected.outputs, judged, atol)


def _doubts(
    config: OnnxConfig, feed: PaddedFeed, defined: Places, effect: float, atol: float
) -> dict[str, str | None]:
    """Of rows without any place that is shown no more is asked than finite numbers. `effect` is
    how far the mask moves the outputs where they are defined."""
    mask = feed.mask
    doubts = {
        f"{mask} {pattern}": None
        if any((defined[n] & where).any() for n, where in _rows(config, feed, pattern, defined))
        else f"no position of any row that {mask} pads like this is defined: {pattern}"
        for pattern in PATTERNS
        if pattern != "none"
    }
    if effect < REACTION * atol:
        doubts[mask] = (
            f"the reference moves by at most {effect:.3g} at defined positions when "
            f"{mask} is all ones, {REACTION:g} x atol is {REACTION * atol:.3g}, so a file that "
            "ignores it would have passed"
        )
    return {mask: None, **doubts}


def _rows(
    config: OnnxConfig, feed: PaddedFeed, pattern: str, defined: Places
) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Each output, and where it belongs to rows of a pattern."""
    for name, axes in config.outputs.items():
        yield name, feed.rows(pattern, axes, defined[name].ndim)


def _explained(
    sides: Sides, expected: _Expected, candidate: Arrays, examined: Examined, atol: float
) -> Examined:
    """The findings with the patterns that show them."""
    feed = expected.feed
    patterns = [
        pattern
        for pattern in PATTERNS
        for within in [dict(_rows(sides.config, feed, pattern, expected.defined))]
        if _compare(expected, candidate, atol, within=within).findings
    ]
    where = f"{feed.mask} ({', '.join(patterns) or 'all rows'}; {feed.example})"
    findings = tuple(
        dataclasses.replace(f, message=f"{where}: {f.message}", part=sides.stem)
        for f in examined.findings
    )
    return dataclasses.replace(examined, findings=findings, doubts={})


def _why_not_applicable(config: OnnxConfig) -> str | None:
    return None if config.masks else "none of its inputs is a mask, so no row is padded"


REQUIREMENT = Requirement(
    id="padding",
    rank=80,
    proves="rows padded at either end, in the middle, throughout and not at all get the numbers of "
    "eager PyTorch",
    fails_when="a value differs by more than atol at a defined position, one where the reference "
    "moves by at most atol / 10 when the masked places are redrawn and when the attention "
    "implementation is switched; or a value is not finite anywhere that the reference is"
    + UNLESS_UNSURE,
    why_not_applicable=_why_not_applicable,
    sample=30,
    examine_example=examine_sides,
    examine_together=examine_sides,
    explain=by_execution,
    rounding=rounding,
)
