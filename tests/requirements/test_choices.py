"""Comparison of choices: tokens of a file and of `generate()`, and outputs that are choices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.evidence.decoding import DecodeSchedule
from harness.evidence.generation import Generation
from harness.evidence.tolerance import Tolerance
from harness.requirements._decode import GREEDY, compare_choices
from harness.requirements.shared.comparison import DECISIVE_FACTOR, settle_ties

ATOL = 1e-3
LOGITS = np.array([[[0.0, 1.0, 0.5], [2.0, 0.0, 1.0], [0.0, 1.0, 3.0]]])
CHOICES = np.array([[1, 0, 2]])


def _generation(logits: Any, choices: Any) -> Generation:
    return Generation(DecodeSchedule({}, (2, 3, 4, 5)), choices, logits)


def _of_file(logits: Any) -> Any:
    """Return logits of the whole schedule; the first and the last step are not compared."""
    return np.concatenate([-logits[:, :1], logits, -logits[:, :1]], axis=1)


def test_the_same_choices_pass() -> None:
    examined = compare_choices(_generation(LOGITS, CHOICES), _of_file(LOGITS), ATOL)
    assert examined.findings == ()
    assert examined.doubts == {GREEDY: None}


def test_another_choice_is_named_with_its_margin() -> None:
    other = LOGITS.copy()
    other[0, 1] = [0.0, 0.0, 1.0]
    examined = compare_choices(_generation(LOGITS, CHOICES), _of_file(other), ATOL)
    (finding,) = examined.findings
    assert finding.message == (
        f"{GREEDY}: got 2 at step 2 of row 0, expected 0, which generate() chooses by a margin of 1"
    )


@pytest.mark.parametrize(("factor", "is_compared"), [(0.9, False), (1.1, True)])
def test_a_margin_within_ten_times_atol_ends_the_row(factor: float, is_compared: bool) -> None:
    close, other = LOGITS.copy(), LOGITS.copy()
    close[0, 1, 2] = close[0, 1, 0] - factor * DECISIVE_FACTOR * ATOL
    other[0, 2] = [5.0, 0.0, 0.0]
    examined = compare_choices(_generation(close, CHOICES), _of_file(other), ATOL)
    assert bool(examined.findings) is is_compared


def test_a_choice_that_is_not_the_largest_logit_is_not_compared() -> None:
    """Examples are forced tokens and the padding of ended rows; later choices are compared."""
    generation = _generation(LOGITS, np.array([[1, 1, 2]]))
    assert compare_choices(generation, _of_file(LOGITS), ATOL).findings == ()
    other = LOGITS.copy()
    other[0, 2] = [5.0, 0.0, 0.0]
    (finding,) = compare_choices(generation, _of_file(other), ATOL).findings
    assert "at step 3 of row 0" in finding.message


def test_the_comparison_is_in_doubt_if_no_choice_is_decisive() -> None:
    generation = _generation(LOGITS * DECISIVE_FACTOR * ATOL / 4, CHOICES)
    examined = compare_choices(generation, _of_file(LOGITS), ATOL)
    assert examined.findings == ()
    assert str(examined.doubts[GREEDY]).startswith(f"{GREEDY}: no choice of generate() is ")


SCORES = np.array([[0.0, 1.0, 1.0 + 9 * ATOL, -np.inf, -np.inf], [5.0, 0.0, 1.0, 2.0, 3.0]])
BEST = np.array([2, 0])


@pytest.mark.parametrize(
    ("got", "settled"),
    [
        ([2, 0], [2, 0]),
        ([1, 0], [2, 0]),  # as good within 10 x atol
        ([0, 0], [0, 0]),
        ([2, 4], [2, 4]),
        ([9, -1], [9, -1]),  # not a class
    ],
)
def test_a_choice_with_a_nearly_equal_score_is_accepted(got: list[int], settled: list[int]) -> None:
    outputs = {"best": np.array(got, np.int32), "scores": SCORES}
    reference = {"best": BEST, "scores": SCORES}
    found = settle_ties(reference, outputs, Tolerance.stated(ATOL), choices={"best": "scores"})
    assert found["best"].tolist() == settled
    assert found["best"].dtype == np.int32  # a wrong dtype is kept
    assert found["scores"] is SCORES


def test_equal_infinities_are_no_near_tie() -> None:
    scores = np.array([[-np.inf, -np.inf]])
    reference, candidate = ({"best": np.array([c]), "scores": scores} for c in (0, 1))
    found = settle_ties(reference, candidate, Tolerance.stated(ATOL), choices={"best": "scores"})
    assert found["best"].tolist() == [1]


def test_ties_in_an_order_are_settled_place_by_place() -> None:
    reference = {"top": np.array([[2, 1, 0]]), "scores": SCORES[:1]}
    candidate = {"top": np.array([[1, 2, 3]]), "scores": SCORES[:1]}
    found = settle_ties(reference, candidate, Tolerance.stated(ATOL), choices={"top": "scores"})
    assert found["top"].tolist() == [[2, 1, 3]]


def test_a_class_that_is_chosen_twice_is_no_tie() -> None:
    reference = {"top": np.array([[2, 1]]), "scores": SCORES[:1]}
    candidate = {"top": np.array([[2, 2]]), "scores": SCORES[:1]}
    found = settle_ties(reference, candidate, Tolerance.stated(ATOL), choices={"top": "scores"})
    assert found["top"].tolist() == [[2, 2]]
