"""Drawn examples are reproducible and within bounds, and failing ones are shrunk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.configs.axis_space import AxisSpace
from harness.evidence.sides import Example
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
    assert [example.axes for example in examples[: len(corners)]] == corners
    assert len(examples) >= 30
    for example in examples:
        assert example.axes["past_sequence_length"] + example.axes["sequence_length"] <= 40
        assert example.axes["batch_size"] >= 1
        assert example.axes != SPACE.export_sizes


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
    assert minimal == Example.of({**smallest, axis: limit}, 0)


def test_a_failure_at_one_size_alone_is_kept() -> None:
    start = Example.of({"batch_size": 5, "past_sequence_length": 9, "sequence_length": 23}, 77)
    assert minimise(start, SPACE, lambda example: example == start) == start
