"""Which examples are judged, and how a failing one is made small.

Axis sizes are drawn by Hypothesis; corners always run and come first. What is drawn depends on
the axes and the seed alone, so that opsets and exporters of one task meet the same examples.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.evidence.sides import Example

if TYPE_CHECKING:
    from hypothesis import settings
    from hypothesis.strategies import SearchStrategy

    from harness.configs.axes import AxisSpace

_SEEDS = 1 << 31
_SHRINK_EXAMPLES = 60


def draw_examples(space: AxisSpace, *, count: int, seed: int) -> list[Example]:
    """All corners, then about `count` drawn examples; none twice, none of the export's sizes."""
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
    """The smallest failing example that Hypothesis finds at or below `example`."""
    import hypothesis
    from hypothesis.errors import NoSuchExample

    phases = (hypothesis.Phase.generate, hypothesis.Phase.shrink)
    try:
        return hypothesis.find(
            _below(example, space),
            fails,
            settings=_settings(max_examples=_SHRINK_EXAMPLES, phases=phases),
            random=random.Random(example.seed),
        )
    except NoSuchExample:
        return example


def _below(example: Example, space: AxisSpace) -> SearchStrategy[Example]:
    """Examples up to this one on every axis.

    Plain integers stand first, since shrinking moves towards the first alternative; the other one
    draws as many choices, so that the move makes no example longer.
    """
    from hypothesis import strategies as st

    def up_to(name: str, size: int) -> SearchStrategy[int]:
        low = space.ranges[name].low
        return st.integers(low, size) | st.sampled_from([low, size])

    sizes = st.fixed_dictionaries({name: up_to(name, size) for name, size in example.sizes})
    seeds = st.sampled_from([0, example.seed])
    return st.builds(lambda drawn, seed: Example.of(space.fit(drawn), seed), sizes, seeds)


def _settings(*, max_examples: int, phases: tuple[object, ...]) -> settings:
    """Every setting that a profile of the user's or of a CI could change is stated."""
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
