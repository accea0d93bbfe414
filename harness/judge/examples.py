"""Draw the examples of a cell, and shrink a failing one.

Corners always run and come first; Hypothesis draws the other axis sizes. The draw depends only on
the axes, the seed and what an example may cost, so that all opsets and exporters of a task get the
same examples.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from harness.configs.feeds import FeedKind, feed_kind, seed_of
from harness.evidence.example import Example

if TYPE_CHECKING:
    from hypothesis import settings
    from hypothesis.strategies import SearchStrategy

    from harness.configs.axis_space import AxisRange, AxisSpace, IsAffordable

_SEEDS = 1 << 31
_SHRINK_EXAMPLES = 60
_UNIFORM_UP_TO = 24
_LOG_STEPS = 1000


def draw_examples(
    space: AxisSpace, *, count: int, seed: int, is_affordable: IsAffordable = lambda sizes: True
) -> list[Example]:
    """Return all corners, then about `count` drawn examples, without duplicates.

    Corners at a landmark or a ceiling run with a provoking and with an ordinary feed, those between
    them with an ordinary one, and the other corners with one of these in turn; small corners reach
    each bound of the values. A third of the drawn examples is ordinary. Sizes that are not
    affordable are reduced. No drawn example has the axis sizes of the export.
    """
    rows = [
        *_corner_rows(space, seed=seed),
        *(_drawn(space, count=count, seed=seed) if count else []),
    ]
    examples: dict[object, Example] = {}
    for row, value_seed in rows:
        example = Example.of(space.reduce(row, is_affordable), value_seed % _SEEDS)
        is_reduced = example.axes != row
        # Costly rows often shrink to the same sizes: one of each kind is enough.
        key = (example.sizes, feed_kind(value_seed)) if is_reduced else example
        examples.setdefault(key, example)
    return list(examples.values())


def _corner_rows(space: AxisSpace, *, seed: int) -> Iterator[tuple[dict[str, int], int]]:
    """Yield sizes and value seed of each corner."""
    kinds = (FeedKind.PROVOKING, FeedKind.ORDINARY)
    at_bounds, between = space.bound_corners(), space.corners_between()
    common = [row for row in space.corners() if row not in (*at_bounds, *between)]
    for index, row in enumerate(common):
        yield row, seed_of(kinds[index % 2], seed + index)
    for number in range(space.reaches):
        sizes = dict.fromkeys(space.ranges, 3)
        yield space.fit(sizes), seed_of(FeedKind.REACHING, number)
    for index, row in enumerate(between, start=len(common)):
        yield row, seed_of(FeedKind.ORDINARY, seed + index)
    for index, row in enumerate(at_bounds, start=len(common) + len(between)):
        for kind in kinds:
            yield row, seed_of(kind, seed + index)


def _drawn(space: AxisSpace, *, count: int, seed: int) -> list[tuple[dict[str, int], int]]:
    import hypothesis
    from hypothesis import strategies as st

    corners = space.corners()
    sizes = st.fixed_dictionaries(
        {
            name: _lengths(axis) | st.sampled_from([c[name] for c in corners])
            for name, axis in space.ranges.items()
        }
    ).map(space.fit)
    if space.ranges:
        sizes = sizes.filter(lambda drawn: drawn != space.export_sizes)
    found: list[tuple[dict[str, int], int]] = []

    @hypothesis.seed(seed)
    @_settings(max_examples=count, phases=(hypothesis.Phase.generate,))
    @hypothesis.given(sizes, st.integers(0, _SEEDS - 1))
    def collect(drawn: dict[str, int], value_seed: int) -> None:
        found.append((drawn, value_seed))

    collect()
    return found


def _lengths(axis: AxisRange) -> SearchStrategy[int]:
    """Return a strategy for sizes: uniform up to 24, log-uniform on a longer axis."""
    from hypothesis import strategies as st

    if axis.high <= _UNIFORM_UP_TO:
        return st.integers(axis.low, axis.high)
    first = max(axis.low, 1)
    ratio = axis.high / first
    return st.integers(0, _LOG_STEPS).map(lambda step: round(first * ratio ** (step / _LOG_STEPS)))


def minimise(example: Example, space: AxisSpace, fails: Callable[[Example], bool]) -> Example:
    """Return the smallest failing example that Hypothesis finds, at most as large as `example`.

    `fails` returns whether an example fails. Returns `example` if no other failure is found.
    """
    import hypothesis
    from hypothesis.errors import NoSuchExample

    phases = (hypothesis.Phase.generate, hypothesis.Phase.shrink)
    try:
        return hypothesis.find(
            _up_to(example, space),
            fails,
            settings=_settings(max_examples=_SHRINK_EXAMPLES, phases=phases),
            random=random.Random(example.seed),
        )
    except NoSuchExample:
        return example


def _up_to(example: Example, space: AxisSpace) -> SearchStrategy[Example]:
    """Return a strategy for examples that are at most as large as `example` on every axis.

    A size is any integer in its range, or one of the two ends. The range comes first, since
    Hypothesis shrinks towards the first alternative. Both make the same number of choices, since
    Hypothesis only keeps a smaller example that makes no more choices.
    """
    from hypothesis import strategies as st

    def sizes_up_to(name: str, size: int) -> SearchStrategy[int]:
        low = space.ranges[name].low
        return st.integers(low, size) | st.sampled_from([low, size])

    sizes = st.fixed_dictionaries({name: sizes_up_to(name, size) for name, size in example.sizes})
    simplest = seed_of(feed_kind(example.seed), 0)
    seeds = st.sampled_from(list(dict.fromkeys((simplest, example.seed))))
    return st.builds(lambda drawn, seed: Example.of(space.fit(drawn), seed), sizes, seeds)


def _settings(*, max_examples: int, phases: tuple[object, ...]) -> settings:
    """Set every Hypothesis setting explicitly, so that no user or CI profile changes the draw."""
    import hypothesis

    from harness.judge.seeded_choices import BACKEND

    return hypothesis.settings(
        backend=BACKEND,
        max_examples=max_examples,
        phases=phases,  # type: ignore[arg-type]
        database=None,
        deadline=None,
        derandomize=False,
        print_blob=False,
        verbosity=hypothesis.Verbosity.quiet,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
