"""Which choices of a file count against those of `generate()`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.evidence.decoding import Course
from harness.evidence.generation import Generation
from harness.requirements._decode import DECISIVE, GREEDY, compare_choices

ATOL = 1e-3
LOGITS = np.array([[[0.0, 1.0, 0.5], [2.0, 0.0, 1.0], [0.0, 1.0, 3.0]]])
CHOICES = np.array([[1, 0, 2]])


def _generation(logits: Any, choices: Any) -> Generation:
    return Generation(Course({}, (2, 3, 4, 5)), choices, logits)


def _of_file(logits: Any) -> Any:
    """Logits of the whole course, of which the first and the last have no say."""
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
        f"{GREEDY}: got 2 as number 2 of row 0, expected 0, which generate() chooses by a margin "
        "of 1"
    )


@pytest.mark.parametrize(("factor", "is_compared"), [(0.9, False), (1.1, True)])
def test_a_margin_within_ten_times_atol_ends_the_row(factor: float, is_compared: bool) -> None:
    close, other = LOGITS.copy(), LOGITS.copy()
    close[0, 1, 2] = close[0, 1, 0] - factor * DECISIVE * ATOL
    other[0, 2] = [5.0, 0.0, 0.0]
    examined = compare_choices(_generation(close, CHOICES), _of_file(other), ATOL)
    assert bool(examined.findings) is is_compared


def test_a_choice_by_another_rule_says_nothing() -> None:
    """A forced token, or the padding of a row that has ended; the next one is compared again."""
    generation = _generation(LOGITS, np.array([[1, 1, 2]]))
    assert compare_choices(generation, _of_file(LOGITS), ATOL).findings == ()
    other = LOGITS.copy()
    other[0, 2] = [5.0, 0.0, 0.0]
    (finding,) = compare_choices(generation, _of_file(other), ATOL).findings
    assert "as number 3 of row 0" in finding.message


def test_where_no_choice_is_decisive_the_claim_is_in_doubt() -> None:
    generation = _generation(LOGITS * DECISIVE * ATOL / 4, CHOICES)
    examined = compare_choices(generation, _of_file(LOGITS), ATOL)
    assert examined.findings == ()
    assert str(examined.doubts[GREEDY]).startswith(f"{GREEDY}: no choice of generate() is ")
