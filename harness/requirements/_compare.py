"""The strict comparison of two sides: by name, shape, dtype, NaN and infinity pattern, atol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness.errors import (
    AtolError,
    DtypeError,
    NonFiniteError,
    OutputMatchError,
    ShapeError,
    ValidationError,
)
from harness.requirements._base import Examined, Finding, Measure

if TYPE_CHECKING:
    import numpy as np

    from harness.evidence.reference import Arrays


ROUNDINGS = 10
"""How often eager's own rounding a tolerance may be, and a difference that is still rounding."""

DECISIVE = 10.0
"""A choice is judged where the reference's scores decide it by so many times atol."""


def settle_ties(
    reference: Arrays, candidate: Arrays, atol: float, *, choices: Mapping[str, str]
) -> Arrays:
    """The candidate with the reference's choices where its own are as good.

    `choices` is name of an output of indices -> name of the output of scores, of which it holds
    the largest along the last axis, one (argmax) or several (top-k). A choice is as good where the
    reference's scores of both lie within 10 x atol.
    """
    settled = dict(candidate)
    for name, scores in choices.items():
        if name in settled and settled[name].shape == reference[name].shape:
            settled[name] = _settled(reference[name], settled[name], reference[scores], atol)
    return settled


def _settled(
    expected: np.ndarray[Any, Any],
    got: np.ndarray[Any, Any],
    scores: np.ndarray[Any, Any],
    atol: float,
) -> np.ndarray[Any, Any]:
    import numpy as np

    is_one = expected.ndim < scores.ndim
    valid = np.where((got >= 0) & (got < scores.shape[-1]), got, expected)
    ours, theirs = (
        np.take_along_axis(scores, c[..., None] if is_one else c, axis=-1)
        for c in (expected, valid)
    )
    with np.errstate(invalid="ignore"):  # of equal infinities, which are no near tie
        is_tie = np.abs(ours - theirs) <= DECISIVE * atol
    is_tie = is_tie[..., 0] if is_one else is_tie & _are_distinct(got)
    settled: np.ndarray[Any, Any] = np.where(is_tie & (valid == got), expected, got)
    return settled.astype(got.dtype)


def _are_distinct(choices: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Whether no class is chosen twice, for each row of choices."""
    import numpy as np

    steps = np.diff(np.sort(choices, axis=-1), axis=-1)
    distinct: np.ndarray[Any, Any] = (steps != 0).all(axis=-1, keepdims=True)
    return distinct


def compare(reference: Arrays, candidate: Arrays, atol: float) -> Examined:
    """Compare every output; no relative tolerance, no broadcasting, nothing left out."""
    findings: list[Finding] = []
    measures: list[Measure] = []
    if set(reference) != set(candidate):
        got, expected = ", ".join(candidate), ", ".join(reference)
        findings.append(_finding(f"outputs: got {got}, expected {expected}", OutputMatchError))
    for name in (name for name in reference if name in candidate):
        problem = next(_kinds(name, reference[name], candidate[name]), None)
        if problem is not None:
            findings.append(problem)
            measures.append(Measure(name, float("inf"), atol, float("inf")))
            continue
        difference = _max_abs_diff(reference[name], candidate[name])
        measure = Measure(name, difference, atol, _magnitude(reference[name]))
        measures.append(measure)
        if not measure.max_abs_diff <= atol:
            findings.append(_too_far(measure))
    doubts = {measure.output: _doubt(measure) for measure in measures}
    return Examined(tuple(findings), tuple(measures), doubts)


def _doubt(measure: Measure) -> str | None:
    if measure.magnitude > measure.atol:
        return None
    return (
        f"the reference of {measure.output} does not exceed {measure.magnitude:.3g}, atol is "
        f"{measure.atol:.3g}, so an output of zeros would have passed"
    )


def _kinds(
    name: str, expected: np.ndarray[Any, Any], got: np.ndarray[Any, Any]
) -> Iterator[Finding]:
    """Differences that make numbers incomparable, the first explaining the rest."""
    import numpy as np

    if got.shape != expected.shape:
        yield _finding(f"shape of {name}: got {got.shape}, expected {expected.shape}", ShapeError)
    elif got.dtype != expected.dtype:
        yield _finding(f"dtype of {name}: got {got.dtype}, expected {expected.dtype}", DtypeError)
    elif expected.dtype.kind == "f":
        for kind, test in (("NaN", np.isnan), ("+inf", np.isposinf), ("-inf", np.isneginf)):
            if (differs := test(got) != test(expected)).any():
                yield _finding(
                    f"{kind} in {name}: got {int(test(got).sum())}, expected "
                    f"{int(test(expected).sum())}; first difference at {_first(differs)}",
                    NonFiniteError,
                )


def _max_abs_diff(expected: np.ndarray[Any, Any], got: np.ndarray[Any, Any]) -> float:
    """The largest |expected - got| in float64 over finite positions; 0 for empty outputs."""
    import numpy as np

    finite = np.isfinite(expected) if expected.dtype.kind == "f" else np.ones(expected.shape, bool)
    difference = np.abs(expected[finite].astype(np.float64) - got[finite].astype(np.float64))
    return float(difference.max(initial=0.0))


def _magnitude(array: np.ndarray[Any, Any]) -> float:
    import numpy as np

    values = np.abs(array.astype(np.float64))
    return float(values[np.isfinite(values)].max(initial=0.0))


def _too_far(measure: Measure) -> Finding:
    return _finding(
        f"values of {measure.output}: got max_abs_diff {measure.max_abs_diff:.3g}, expected at "
        f"most atol {measure.atol:.3g} (error ratio {measure.error_ratio:.3g})",
        AtolError,
    )


def _first(differs: np.ndarray[Any, Any]) -> tuple[int, ...]:
    import numpy as np

    return tuple(int(i) for i in np.argwhere(differs)[0])


def _finding(message: str, error: type[ValidationError]) -> Finding:
    return Finding(message=message, error=error)
