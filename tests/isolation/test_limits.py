"""Times and sizes in the form that users write."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.isolation.limits import parse_seconds, parse_size, show_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512M", 512 << 20),
        ("4G", 4 << 30),
        ("1.5 GiB", 3 << 29),
        ("64kb", 64 << 10),
        ("1000", 1000),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text, subject="--x") == size


@pytest.mark.parametrize("text", ["", "0", "-1G", "4X", "G", "4GG", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--x '.*': not a size; write 4G or 512M$"):
        parse_size(text, subject="--x")


def test_seconds_are_read() -> None:
    assert parse_seconds("2.5", subject="--x") == 2.5


@pytest.mark.parametrize("text", ["", "0", "-1", "soon", "nan", "inf"])
def test_what_are_no_seconds_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--x '.*': not a number of seconds above 0; write 600$"):
        parse_seconds(text, subject="--x")


@pytest.mark.parametrize(("size", "text"), [(3 << 29, "1.5 GiB"), (300 << 20, "300 MiB")])
def test_sizes_are_shown(size: int, text: str) -> None:
    assert show_size(size) == text
