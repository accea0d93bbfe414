"""Draw the examples of a cell, and shrink a failing one.

Corners always run and come first; Hypothesis draws the other axis sizes. The draw depends only on
the axes and the seed, so that all opsets and exporters of a task get the same examples.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.evidence.sides import Example

if TYPE_CHECKING:
    from hypothesis import settings
    from hypothesis.strategies import SearchStrategy

    from harness.configs.axis_space import AxisSpace

_SEEDS = 1 << 31
_SHRINK_EXAMPLES = 60


def draw_examples(space: AxisSpace, *, count: int, seed: int) -> list[Example]:
    """Return all corners, then about `count` drawn examples, without duplicates.

    No drawn example has the axis sizes of the export.
    """
    corners = [
        Example.of(sizes, (seed + index) % _SEEDS) for index, sizes in enumerate(space.corners())
    ]
    drawn = _drawn(space, count=count, seed=seed) if count else []
    return list(dict.fromkeys([*corners, *drawn]))


def _drawn(space: AxisSpace, *, count: int, seed: int) -> list[Example]:
    import hypothesis
    from hypothesis import strategies as st

    corners = space.corners()
    sizes = st.fixed_dictionaries(
        {
            name: st.integers(axis.low, axis.high) | st.sampled_from([c[name] for c in corners])
            for name, axis in space.ranges.items()
        }
    ).map(space.fit)
    if space.ranges:
        sizes = sizes.filter(lambda drawn: drawn != space.export_sizes)
    found: list[Example] = []

    @hypothesis.seed(seed)
    @_settings(max_examples=count, phases=(hypothesis.Phase.generate,))
    @hypothesis.given(sizes, st.integers(0, _SEEDS - 1))
    def collect(drawn: dict[str, int], value_seed: int) -> None:
        found.append(Example.of(drawn, value_seed))

    collect()
    return found


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
    """Return a strategy for examples that are on no axis larger than `example`.

    Plain integers are the first alternative, since Hypothesis shrinks towards it. Both alternatives
    draw the same number of choices, so that switching to the first adds no choice.
    """
    from hypothesis import strategies as st

    def sizes_up_to(name: str, size: int) -> SearchStrategy[int]:
        low = space.ranges[name].low
        return st.integers(low, size) | st.sampled_from([low, size])

    sizes = st.fixed_dictionaries({name: sizes_up_to(name, size) for name, size in example.sizes})
    seeds = st.sampled_from([0, example.seed])
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
