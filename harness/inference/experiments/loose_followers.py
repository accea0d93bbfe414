"""The size of an input that eager accepts at any size, as a function of the axes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from harness.configs.axes import AxisExpression, AxisSizes
from harness.inference.experiments.experiment import BudgetError, Experiment
from harness.inference.experiments.joint import AxisDomain, fit_axes
from harness.inference.experiments.reading import Reader

Moves = Callable[[AxisSizes], AxisSizes]
"""Returns the sizes of labels, from the sizes of axes by their names in expressions."""

_LARGEST_CONSTANT = 2


def followed_length(
    experiment: Experiment, label: str, domains: Sequence[AxisDomain], moves: Moves
) -> AxisExpression | None:
    """Return how much of an input is read, None if nothing is, or no function of axes.

    Axes, sums of axes, and these with a small constant are tried first, at other sizes of all axes
    at once; any other function is fitted.
    """
    # A single token is not hidden by its mask, so sizes below the first one tell nothing.
    near = [replace(one, sizes=one.sizes.between(one.first, 2 * one.first)) for one in domains]
    firsts = {domain.name: domain.first for domain in near}
    start = _reader(experiment, moves, {}, label)
    if start is None:
        return None
    known = experiment.base[label]
    length = known if start.is_length(known) else start.length()
    readers = [(sizes, _reader(experiment, moves, sizes, label)) for sizes in _other_sizes(near)]
    for guess in _guesses(near, length):
        if all(
            reader is None or reader.is_length(guess.evaluate({**firsts, **sizes}))
            for sizes, reader in readers
        ):
            return guess

    def measure(sizes: AxisSizes) -> int | None:
        reader = _reader(experiment, moves, sizes, label)
        return None if reader is None else reader.length()

    forms = [form for form in fit_axes(measure, near) if form.scale] if length else []
    return forms[0].expression if forms else None


def _reader(experiment: Experiment, moves: Moves, sizes: AxisSizes, label: str) -> Reader | None:
    try:
        return Reader(experiment, moves(sizes), label)
    except BudgetError:
        raise
    except Exception:  # eager refuses these sizes
        return None


def _other_sizes(domains: Sequence[AxisDomain]) -> Iterator[dict[str, int]]:
    """Yield two choices of sizes that change all axes by different amounts."""
    for stride in (1, 2):
        yield {
            domain.name: domain.sizes.up_to_reach[
                min(stride * number, len(domain.sizes.up_to_reach) - 1)
            ]
            for number, domain in enumerate(domains, start=1)
        }


def _guesses(domains: Sequence[AxisDomain], length: int) -> Iterator[AxisExpression]:
    for count in (1, 2):
        for chosen in combinations(domains, count):
            rest = length - sum(domain.first for domain in chosen)
            text = " + ".join(domain.name for domain in chosen)
            if rest == 0:
                yield AxisExpression.parse(text)
            elif 0 < rest <= _LARGEST_CONSTANT:
                yield AxisExpression.parse(f"{text} + {rest}")
