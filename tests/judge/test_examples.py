"""Drawn examples are reproducible and within bounds, and failing ones are shrunk."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.configs.axis_space import AxisSpace
from harness.configs.feeds import FeedKind, feed_kind, reach_number
from harness.evidence.example import Example
from harness.judge.examples import draw_examples, minimise

SPACE = AxisSpace.over(
    ("batch_size", "past_sequence_length", "sequence_length"),
    overrides={},
    ceilings={"past_sequence_length + sequence_length": 40},
)


def test_the_same_seed_draws_the_same_examples() -> None:
    first, again, other = (draw_examples(SPACE, count=20, seed=seed) for seed in (3, 3, 4))
    assert first == again != other


def test_what_is_drawn_does_not_depend_on_a_profile_of_ci(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = draw_examples(SPACE, count=20, seed=3)
    import hypothesis

    hypothesis.settings.register_profile("other", max_examples=1, derandomize=True)
    hypothesis.settings.load_profile("other")
    try:
        assert draw_examples(SPACE, count=20, seed=3) == before
    finally:
        hypothesis.settings.load_profile("default")


DRAW = """
import sys
for name in sys.argv[1:]:
    __import__(name)
from harness.judge.examples import draw_examples, minimise
from tests.judge.test_examples import SPACE
examples = [one for seed in range(9) for one in draw_examples(SPACE, count=100, seed=seed)]
print(examples)
print([minimise(one, SPACE, lambda e: e.seed % 7 == one.seed % 7) for one in examples[:20]])
"""


def test_what_is_drawn_does_not_depend_on_the_modules_that_are_imported(tmp_path: Path) -> None:
    numbers = ", ".join(str(number) for number in range(100_000, 100_300))
    (tmp_path / "full_of_numbers.py").write_text(f"NUMBERS = [{numbers}]")
    root = Path(__file__).parents[2]
    path = f"import sys; sys.path[:0] = [{str(root)!r}, {str(tmp_path)!r}]"

    def drawn(*modules: str) -> str:
        command = [sys.executable, "-c", path + DRAW, *modules]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=100
        ).stdout

    alone = drawn()
    assert len(alone) > 1000
    assert drawn("full_of_numbers") == alone == drawn("harness.judge.cell", "reports.history")


def test_corners_come_first_and_drawn_ones_follow_within_bounds() -> None:
    examples = draw_examples(SPACE, count=30, seed=0)
    corners = SPACE.corners()
    sizes = [example.axes for example in examples]
    assert len(examples) >= 30 + len(corners)
    first = sizes[: len(corners) + len(SPACE.bound_corners())]
    assert {tuple(row.items()) for row in first} == {tuple(row.items()) for row in corners}
    for example in examples:
        assert example.axes["past_sequence_length"] + example.axes["sequence_length"] <= 40
        assert example.axes["batch_size"] >= 1
        assert example.axes != SPACE.export_sizes


def test_both_ends_of_a_ceiling_run_by_each_axis_with_a_provoking_and_an_ordinary_feed() -> None:
    examples = draw_examples(SPACE, count=0, seed=5)
    for past, new in ((39, 1), (38, 1), (0, 40), (0, 39), (19, 1), (0, 20)):
        kinds = {
            feed_kind(example.seed)
            for example in examples
            if (example.axes["past_sequence_length"], example.axes["sequence_length"])
            == (past, new)
        }
        assert {FeedKind.PROVOKING, FeedKind.ORDINARY} <= kinds, (past, new)


def test_lengths_between_the_ends_run_with_an_ordinary_feed_of_one_row() -> None:
    ordinary = [e for e in draw_examples(SPACE, count=0, seed=5) if _is_ordinary(e)]
    for past, new in ((9, 1), (0, 10), (29, 1), (0, 30)):
        assert {"batch_size": 1, "past_sequence_length": past, "sequence_length": new} in [
            example.axes for example in ordinary
        ]


def test_several_tokens_after_a_long_past_and_a_first_token_run_with_an_ordinary_feed() -> None:
    ordinary = [e.axes for e in draw_examples(SPACE, count=0, seed=5) if _is_ordinary(e)]
    assert {"batch_size": 2, "past_sequence_length": 19, "sequence_length": 20} in ordinary
    assert {"batch_size": 1, "past_sequence_length": 0, "sequence_length": 1} in ordinary


def _is_ordinary(example: Example) -> bool:
    return feed_kind(example.seed) is FeedKind.ORDINARY


def test_a_third_of_the_drawn_examples_is_ordinary() -> None:
    drawn = draw_examples(SPACE, count=300, seed=0)
    share = sum(map(_is_ordinary, drawn)) / len(drawn)
    assert 0.25 < share < 0.45


def test_each_bound_of_the_values_is_reached_by_an_example_of_its_own() -> None:
    space = dataclasses.replace(SPACE, reaches=4)
    found = {
        reach_number(example.seed)
        for example in draw_examples(space, count=0, seed=9)
        if feed_kind(example.seed) is FeedKind.REACHING
    }
    assert found == {0, 1, 2, 3}


def test_long_axes_are_drawn_log_uniformly() -> None:
    space = AxisSpace.over(("sequence_length",), overrides={}, ceilings={"sequence_length": 4096})
    lengths = [e.axes["sequence_length"] for e in draw_examples(space, count=300, seed=0)]
    for low in (8, 64, 512, 2048):
        assert any(low <= length < 2 * low for length in lengths), low


def test_sizes_that_are_not_affordable_are_reduced_along_their_longest_axis() -> None:
    space = AxisSpace.over(
        ("batch_size", "sequence_length"), overrides={}, ceilings={"sequence_length": 4096}
    )

    def is_affordable(sizes: Mapping[str, int]) -> bool:
        return sizes["batch_size"] * sizes["sequence_length"] <= 1500

    examples = draw_examples(space, count=100, seed=0, is_affordable=is_affordable)
    assert all(is_affordable(example.axes) for example in examples)
    assert {"batch_size": 1, "sequence_length": 1024} in [example.axes for example in examples]


def test_no_example_is_repeated() -> None:
    examples = draw_examples(SPACE, count=30, seed=0)
    assert len(set(examples)) == len(examples)


@pytest.mark.parametrize(
    ("limit", "axis"), [(2, "batch_size"), (5, "sequence_length"), (1, "past_sequence_length")]
)
def test_a_failure_shrinks_to_the_true_boundary(limit: int, axis: str) -> None:
    start = Example.of({"batch_size": 12, "past_sequence_length": 9, "sequence_length": 28}, 77)
    minimal = minimise(start, SPACE, lambda example: example.axes[axis] >= limit)
    smallest = {"batch_size": 1, "past_sequence_length": 0, "sequence_length": 1}
    assert minimal == Example.of({**smallest, axis: limit}, 2)  # the first seed of its kind


def test_a_failure_at_one_size_alone_is_kept() -> None:
    start = Example.of({"batch_size": 5, "past_sequence_length": 9, "sequence_length": 23}, 77)
    assert minimise(start, SPACE, lambda example: example == start) == start
