"""Differences are measured in codes, or in ulps of the result's own type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ml_dtypes import bfloat16

from harness.evidence.kernels import measures
from harness.evidence.kernels.measures import Expected, difference, ulp


def measure(got: Any, expected: Any, rounding: float = 0.0) -> float:
    return difference(np.asarray(got), Expected(np.asarray(expected), rounding)).value


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_ulps_are_distances_to_the_next_number(dtype: type[Any]) -> None:
    values = np.array([1e-7, 0.1, 1.0, 1.9999, 2.0, 1000.0], dtype)
    np.testing.assert_array_equal(ulp(values, np.dtype(dtype)), np.spacing(values))
    assert measure(np.nextafter(values, dtype(np.inf)), values.astype(np.float64)) == 1


def test_bfloat16_has_seven_bits() -> None:
    assert measure(np.array([1.0078125], bfloat16), [1.0]) == 1


def test_numbers_beyond_the_range_are_infinite() -> None:
    infinite = np.array([np.inf], np.float16)
    assert measure(infinite, [70000.0]) == 0
    assert measure(infinite, [np.inf]) == 0
    assert measure(infinite, [65510.0]) < 1
    assert measure(infinite, [60000.0]) > 100
    assert measure(np.array([60000.0], np.float16), [np.inf]) > 100
    assert measure(infinite, [-np.inf]) > 1000


def test_nan_equals_only_nan() -> None:
    missing = np.array([np.nan], np.float32)
    assert measure(missing, [np.nan]) == 0
    assert measure(missing, [1.0]) == measure(np.array([1.0], np.float32), [np.nan]) == np.inf


def test_other_shapes_differ_although_they_broadcast() -> None:
    found = difference(np.zeros((2, 3), np.int32), Expected(np.zeros(3)))
    assert (found.value, found.got, found.expected) == (np.inf, "shape (2, 3)", "shape (3,)")


def test_rounding_widens_one_ulp() -> None:
    assert measure(np.array([1 + 2**-20], np.float32), [1.0], rounding=2**-23) == 4


def test_the_place_of_the_largest_difference_is_shown() -> None:
    got = np.array([[1, 2], [3, 9]], np.uint8)
    found = difference(got, Expected(np.array([[1, 2], [4, 4]])))
    assert (found.unit, found.value, found.index) == ("codes", 5, (1, 1))
    assert (found.got, found.expected) == ("9", "4")


def test_large_values_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "_AT_ONCE", 4)
    got = np.ones((7, 3), np.float32)
    got[5, 2] = 1.5
    found = difference(got, Expected(np.ones((7, 3)), np.zeros((7, 3))))
    assert (found.index, found.value) == ((5, 2), 2**22)
    assert measure(np.float32(1), 1.0) == 0


def test_nothing_to_compare_does_not_differ() -> None:
    assert measure(np.zeros((0, 3), np.float16), np.zeros((0, 3))) == 0
