"""Functions of axes are found from few values, and a fit that is ambiguous says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.configs.axes import AxisExpression
from harness.inference.experiments.fits import fit_axis
from harness.inference.experiments.joint import AxisDomain, fit_axes
from harness.inference.experiments.sizes import AdmittedSizes

MOST_CALLS = 32


def _sizes(least: int, reach: int, *, step: int = 1, largest: int | None = None) -> AdmittedSizes:
    return AdmittedSizes(least=least, largest=largest, step=step, reach=reach)


def _fit(
    function: Callable[[int], int | None], sizes: AdmittedSizes, first: int
) -> tuple[list[str], int]:
    """Return the texts of the forms that fit, and the number of values that were asked for."""
    asked: set[int] = set()

    def measure(size: int) -> int | None:
        asked.add(size)
        return function(size)

    fit = fit_axis("x", measure, sizes, first=first)
    return [form.text for form in fit.forms], len(asked)


@pytest.mark.parametrize(
    ("expected", "function", "sizes", "first"),
    [
        ("5", lambda x: 5, _sizes(1, 28), 7),
        ("x", lambda x: x, _sizes(1, 28), 7),
        ("2 * x + 3", lambda x: 2 * x + 3, _sizes(1, 28), 7),
        ("ceil(x / 8)", lambda x: -(-x // 8), _sizes(17, 164), 41),
        ("(x - 80) // 320", lambda x: (x - 80) // 320, _sizes(400, 9600), 2400),
        ("12 * (x // 14) + 1", lambda x: 12 * (x // 14) + 1, _sizes(14, 280), 70),
        ("4 * ceil(x / 4)", lambda x: 4 * -(-x // 4), _sizes(1, 28), 7),
        ("min(x, 16)", lambda x: min(x, 16), _sizes(1, 64), 7),
        ("max(x, 16)", lambda x: max(x, 16), _sizes(1, 64), 7),
        ("(x // 14) * (x // 14) + 1", lambda x: (x // 14) ** 2 + 1, _sizes(14, 224), 56),
    ],
)
def test_a_function_of_one_axis_is_found(
    expected: str, function: Callable[[int], int], sizes: AdmittedSizes, first: int
) -> None:
    texts, calls = _fit(function, sizes, first)
    assert texts == [expected]
    assert calls <= MOST_CALLS


def test_only_multiples_cannot_tell_a_floor_from_a_ceiling() -> None:
    texts, _ = _fit(lambda x: x // 14, _sizes(14, 224, step=14), 56)
    assert texts == ["x // 14"]


@pytest.mark.parametrize(("least", "reach"), [(32, 256), (32, 128), (64, 512)])
def test_a_divisor_that_divides_the_step_is_preferred_among_equal_functions(
    least: int, reach: int
) -> None:
    """Multiples of 32 up to 900 have equal quotients by 31 and by 32."""
    texts, _ = _fit(lambda x: x // 32, _sizes(least, reach, step=32, largest=reach), least)
    assert texts == ["x // 32"]


def test_two_steps_of_a_quotient_give_one_form_and_one_step_gives_several() -> None:
    def quotient(size: int) -> int:
        return (size + 3) // 64

    texts, _ = _fit(quotient, _sizes(1, 400), 70)
    assert [AxisExpression.parse(text) for text in texts] == [AxisExpression("(x + 3) // 64")]
    several, _ = _fit(lambda x: quotient(x) if x <= 100 else None, _sizes(1, 100), 70)
    assert len(several) > 1
    assert {AxisExpression.parse(text).evaluate({"x": 100}) for text in several} == {1}
    assert len({AxisExpression.parse(text).evaluate({"x": 400}) for text in several}) > 1


def test_larger_sizes_than_all_others_tell_forms_of_few_multiples_apart() -> None:
    texts, calls = _fit(lambda x: x // 32, _sizes(32, 256, step=32), 64)
    assert texts == ["x // 32"]
    assert calls <= MOST_CALLS


def test_an_axis_that_ends_leaves_no_doubt_about_larger_sizes() -> None:
    texts, _ = _fit(lambda x: (x + 3) // 64, _sizes(1, 100, largest=100), 70)
    assert len(texts) == 1


def test_a_function_of_no_known_form_is_not_guessed() -> None:
    texts, _ = _fit(lambda x: x.bit_count(), _sizes(1, 64), 7)
    assert texts == []


@pytest.mark.parametrize(
    "expected",
    [
        "past + length",
        "batch * (height // 14) * (width // 14)",
        "batch * ((height // 14) * (width // 14) + 1)",
        "length + (height // 14) * (width // 14)",
        "ceil(height / 8) * ceil(width / 8) + 2",
        "3 * batch + 2 * length",
        "max(height, width)",
        "min(height, 2 * width)",
    ],
)
def test_a_function_of_several_axes_is_found(expected: str) -> None:
    domains = [
        AxisDomain(name="batch", first=3, sizes=_sizes(1, 12)),
        AxisDomain(name="height", first=70, sizes=_sizes(14, 280)),
        AxisDomain(name="length", first=7, sizes=_sizes(1, 28)),
        AxisDomain(name="past", first=5, sizes=_sizes(1, 20)),
        AxisDomain(name="width", first=98, sizes=_sizes(14, 392)),
    ]
    first = {domain.name: domain.first for domain in domains}
    function = AxisExpression.parse(expected)
    forms = fit_axes(lambda sizes: function.evaluate({**first, **sizes}), domains)
    assert function in [form.expression for form in forms]
