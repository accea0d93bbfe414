"""The grammar of `--opset`."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harness.errors import UsageError
from harness.matrix.opsets import format_opsets, parse_opsets, representative_opsets


@pytest.mark.parametrize(
    ("text", "opsets"),
    [
        ("18", (18,)),
        ("14..18,23", (14, 15, 16, 17, 18, 23)),
        ("23, 14..15 ,14", (14, 15, 23)),
        ("7..7", (7,)),
        ("1,99", (1, 99)),
    ],
)
def test_ranges_and_lists(text: str, opsets: tuple[int, ...]) -> None:
    assert parse_opsets(text) == opsets


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("18..14", "'18..14': ends before it starts; write 14..18"),
        ("0", "'0': opset 0 is outside 1..99"),
        ("14..100", "'14..100': opset 100 is outside 1..99"),
        ("x", "'x': not an opset or a range"),
        ("14..", "'14..': not an opset or a range"),
        ("14-18", "'14-18': not an opset or a range"),
        ("-1", "'-1': not an opset or a range"),
        ("", "'': an item is empty"),
        ("14,,18", "'14,,18': an item is empty"),
    ],
)
def test_anything_else_is_refused_with_the_option_and_the_value(text: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_opsets(text)
    assert str(caught.value).startswith(f"--opset {what}")


@pytest.mark.parametrize(
    ("opsets", "text"),
    [((), ""), ((7,), "7"), ((9, 8, 7, 8), "7..9"), ((7, 9, 10, 11, 21), "7,9..11,21")],
)
def test_opsets_are_written_as_they_are_read(opsets: tuple[int, ...], text: str) -> None:
    assert format_opsets(opsets) == text
    assert not text or parse_opsets(text) == tuple(sorted(set(opsets)))


@pytest.mark.parametrize(
    ("honoured", "chosen"),
    [
        (range(7, 26), (7, 18, 25)),
        (range(20, 24), (20, 23)),
        (range(9, 17), (9, 16)),
        ((9, 14, 17, 20), (9, 17, 20)),
        ((18,), (18,)),
        ((), (18,)),
    ],
)
def test_three_opsets_stand_for_an_exporter(
    honoured: Sequence[int], chosen: tuple[int, ...]
) -> None:
    assert representative_opsets(honoured, default=18) == chosen
