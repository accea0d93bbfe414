"""Strict comparison of outputs: names, shapes, dtypes, NaN and infinity patterns, values (atol)."""

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
from harness.requirements.shared.requirement import Examined, Finding, Measure

if TYPE_CHECKING:
    import numpy as np

    from harness.evidence.reference import Arrays
    from harness.evidence.tolerance import Tolerance


ROUNDING_FACTOR = 10
"""Largest ratio of a tolerance, or of a difference that counts as rounding, to the rounding error
of eager PyTorch."""

DECISIVE_FACTOR = 10.0
"""A choice counts only if its margin in the reference's scores is at least this many times atol."""


def settle_ties(
    reference: Arrays, candidate: Arrays, tolerance: Tolerance, *, choices: Mapping[str, str]
) -> Arrays:
    """Return the candidate's outputs with near ties resolved as in the reference.

    `choices` maps the name of an output of indices to the name of the output of scores. The indices
    are the largest scores along the last axis, one (argmax) or several (top-k). Two choices are a
    near tie if the reference's scores for them differ by at most 10 x the atol of the scores.
    """
    settled = dict(candidate)
    for name, scores in choices.items():
        if name in settled and settled[name].shape == reference[name].shape:
            atol = tolerance.for_output(scores)
            settled[name] = _settle_choices(reference[name], settled[name], reference[scores], atol)
    return settled


def _settle_choices(
    expected: np.ndarray[Any, Any],
    got: np.ndarray[Any, Any],
    scores: np.ndarray[Any, Any],
    atol: float,
) -> np.ndarray[Any, Any]:
    import numpy as np

    is_one = expected.ndim < scores.ndim
    valid = np.where((got >= 0) & (got < scores.shape[-1]), got, expected)
    expected_scores, got_scores = (
        np.take_along_axis(scores, c[..., None] if is_one else c, axis=-1)
        for c in (expected, valid)
    )
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, which is not a near tie
        is_tie = np.abs(expected_scores - got_scores) <= DECISIVE_FACTOR * atol
    is_tie = is_tie[..., 0] if is_one else is_tie & _are_distinct(got)
    settled: np.ndarray[Any, Any] = np.where(is_tie & (valid == got), expected, got)
    return settled.astype(got.dtype)


def _are_distinct(choices: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Whether all choices of a row are different, for each row."""
    import numpy as np

    steps = np.diff(np.sort(choices, axis=-1), axis=-1)
    distinct: np.ndarray[Any, Any] = (steps != 0).all(axis=-1, keepdims=True)
    return distinct


def compare(reference: Arrays, candidate: Arrays, tolerance: Tolerance) -> Examined:
    """Compare every output, without relative tolerance and without broadcasting."""
    findings: list[Finding] = []
    measures: list[Measure] = []
    if set(reference) != set(candidate):
        got, expected = ", ".join(candidate), ", ".join(reference)
        findings.append(_finding(f"outputs: got {got}, expected {expected}", OutputMatchError))
    for name in (name for name in reference if name in candidate):
        atol = tolerance.for_output(name)
        problem = next(_structural_differences(name, reference[name], candidate[name]), None)
        if problem is not None:
            findings.append(problem)
            measures.append(Measure(name, float("inf"), atol, float("inf")))
            continue
        difference = _max_abs_diff(reference[name], candidate[name])
        measure = Measure(name, difference, atol, _magnitude(reference[name]))
        measures.append(measure)
        if not measure.max_abs_diff <= atol:
            findings.append(_too_far(measure))
    doubts = {m.output: tolerance.doubts.get(m.output) or _zeros_doubt(m) for m in measures}
    return Examined(tuple(findings), tuple(measures), doubts)


def _zeros_doubt(measure: Measure) -> str | None:
    if measure.magnitude > measure.atol:
        return None
    return (
        f"the reference of {measure.output} does not exceed {measure.magnitude:.3g}, atol is "
        f"{measure.atol:.3g}, so an output of zeros would have passed"
    )


def _structural_differences(
    name: str, expected: np.ndarray[Any, Any], got: np.ndarray[Any, Any]
) -> Iterator[Finding]:
    """Differences of shape, dtype, NaN or infinity pattern. Only the first is reported, since it
    explains the others."""
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
                    f"{int(test(expected).sum())}; first difference at {_first_index(differs)}",
                    NonFiniteError,
                )


def _max_abs_diff(expected: np.ndarray[Any, Any], got: np.ndarray[Any, Any]) -> float:
    """Return the largest |expected - got| in float64 over finite positions; 0 without any."""
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


def _first_index(differs: np.ndarray[Any, Any]) -> tuple[int, ...]:
    import numpy as np

    return tuple(int(i) for i in np.argwhere(differs)[0])


def _finding(message: str, error: type[ValidationError]) -> Finding:
    return Finding(message=message, error=error)
