"""`stored-weights`: each stored weight is the checkpoint's, rounded to the nearest code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import AtolError, NotJudgedError
from harness.requirements.shared.requirement import Blame, Finding, Requirement

if TYPE_CHECKING:
    from harness.evidence.carried.matching import Match
    from harness.evidence.evidence import Evidence

QUANTISER = Blame("quantiser")

SLACK = 1e-3
"""Share of a step for the rounding of the quantiser's own arithmetic."""

CLIPPED = 1.0
"""Largest distance of a weight from the range of codes, in steps. A symmetric range has no code for
one of its ends."""

HALF = "float16"
LEAST_HALVES, LARGEST_HALF = (5.96e-8, 1e-7), 1e4
"""The converters to float16 of ONNX Runtime and onnxconverter-common move numbers that are nearer
to 0 than one of these, or larger: https://github.com/microsoft/onnxconverter-common"""

Array = np.ndarray[Any, Any]


def examine(evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding for each stored weight that is not the checkpoint's, and notes.

    Raises NotJudgedError if none of the low-precision weights is known in the model.
    """
    from harness.evidence.low_precision import LowPrecisionEvidence

    assert isinstance(evidence, LowPrecisionEvidence)
    carried = evidence.carried
    for part, matches in carried.matches.items():
        for match in matches:
            yield from _examine_match(part, match)
    if carried.problems:
        raise NotJudgedError("; ".join(carried.problems[:6]))


def _examine_match(part: str, match: Match) -> Iterator[Finding]:
    stored = match.stored
    expected = match.places[0].values
    decoded = stored.decode()
    low, high, got = (match.of(array) for array in (decoded.low, decoded.high, decoded.values))
    # Exporters fold factors into float32 weights, which costs a rounding.
    least = np.maximum(np.spacing(np.abs(expected)), np.finfo(np.float32).tiny)
    step = np.maximum(match.of(decoded.step), least)
    name = match.places[0].name
    outside = np.maximum(np.maximum(low - expected, expected - high), 0) / step
    distance = np.abs(got - np.clip(expected, low, high)) / step
    if stored.form == HALF:
        clamped = np.min([np.abs(got - c) / step for c in _clamped(expected)], axis=0)
        count = int(((distance > 0.5 + SLACK) & (clamped <= 0.5 + SLACK)).sum())
        distance = np.minimum(distance, clamped)
        if count:
            yield Finding(
                message=f"weight {name} ({HALF}): the converter clamped {count} values to "
                "the least or largest number that it keeps",
                part=part,
                is_note=True,
            )
    worst = np.unravel_index(int(np.argmax(distance)), distance.shape)
    if distance[worst] > 0.5 + SLACK:
        count = int((distance > 0.5 + SLACK).sum())
        yield Finding(
            message=f"weight {name} ({stored.form}): got {got[worst]:.6g} at {_place(worst)}, "
            f"{distance[worst]:.3g} steps from the checkpoint's {expected[worst]:.6g}, expected at "
            f"most half a step; {count} of {distance.size} values are farther",
            part=part,
            blame=QUANTISER,
            error=AtolError,
        )
    farthest = np.unravel_index(int(np.argmax(outside)), outside.shape)
    if outside[farthest] > CLIPPED + SLACK:
        count = int((outside > CLIPPED + SLACK).sum())
        yield Finding(
            message=f"weight {name} ({stored.form}): got {expected[farthest]:.6g} of the "
            f"checkpoint at {_place(farthest)} {outside[farthest]:.3g} steps outside of the codes' "
            f"range, expected at most {CLIPPED:g}; {count} of {outside.size} values are farther",
            part=part,
            blame=QUANTISER,
            error=AtolError,
        )


def _clamped(values: Array) -> Iterator[Array]:
    """Yield what each converter makes of weights before it rounds them."""
    for least in LEAST_HALVES:
        sizes = np.where(values == 0, 0, np.clip(np.abs(values), least, LARGEST_HALF))
        yield np.copysign(sizes, values)


def _place(index: tuple[Any, ...]) -> str:
    return f"[{', '.join(str(int(i)) for i in index)}]"


REQUIREMENT = Requirement(
    id="stored-weights",
    rank=2,
    proves="each stored weight is within half a step of the checkpoint's value, clamped to the "
    "range of its codes",
    fails_when="a stored weight is farther away, or the checkpoint's value lies more than one step "
    "outside of the range",
    examine=examine,
)
