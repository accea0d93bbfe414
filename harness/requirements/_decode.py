"""What `cache` compares: steps with one forward, choices with choices, rows with rows."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.configs.axes import AxisExpression
from harness.configs.decoding import PAST, axis_of, cut
from harness.evidence.decoding import step_name
from harness.evidence.sides import EagerError, as_tensors
from harness.requirements._base import Examined, Finding
from harness.requirements._compare import DECISIVE, compare

if TYPE_CHECKING:
    import numpy as np

    from harness.configs.base import Feed, OnnxConfig
    from harness.configs.task_table import Axes
    from harness.evidence.decoding import Course, Decoding
    from harness.evidence.generation import Generation
    from harness.evidence.reference import Arrays
    from harness.evidence.sides import Example, PartEvidence

    Array = np.ndarray[Any, Any]

GREEDY = "greedy tokens"
ROWS = "rows of the cache"


def compare_steps(
    decoding: Decoding, course: Course, expected: Arrays, got: Feed, atol: float
) -> Examined:
    """One full forward beside what the steps gave, at every position whose query sees a key; what
    differs is told of the first step that it shows in."""
    import numpy as np

    config, length = decoding.config, course.ends[-1]
    seen = decoding.defined(course)
    if seen is None:
        seen = np.ones((len(next(iter(course.feed.values()))), length), dtype=bool)
    examined = _compare_span(config, seen, expected, got, atol, span=(0, length))
    if not examined.findings:
        return examined
    for span, call in zip(course.spans, decoding.calls[-len(course.ends) :], strict=True):
        step = _compare_span(config, seen, expected, call.outputs, atol, span=span)
        if step.findings:
            name = f"{step_name(*span)} against one full forward"
            told = (dataclasses.replace(f, message=f"{name}: {f.message}") for f in step.findings)
            return dataclasses.replace(examined, findings=tuple(told))
    return examined


def _compare_span(
    config: OnnxConfig,
    seen: Array,
    expected: Arrays,
    got: Feed,
    atol: float,
    *,
    span: tuple[int, int],
) -> Examined:
    """Outputs of a step beside those of the whole, at the [batch, tokens] that are seen."""
    import numpy as np

    start, end = span
    sides: tuple[Arrays, Arrays] = ({}, {})
    for name, axes in config.outputs.items():
        axis = _axis_over_tokens(config, axes)
        whole = cut(config, expected[name], axes, start=start, end=end)
        for side, array in zip(sides, (whole, got[name]), strict=True):
            if axis is None:
                side[name] = array
            else:
                places = cut(config, seen, {1: axes[axis]}, start=start, end=end)
                side[name] = np.moveaxis(array, axis, 1)[places]
    return compare(*sides, atol)


def _axis_over_tokens(config: OnnxConfig, axes: Axes) -> int | None:
    """The axis over the tokens of a course, which has no past."""
    over = (a for a, t in axes.items() if config.STEP_AXIS in AxisExpression.parse(t).names)
    return next(over, None)


def culprit(decoding: Decoding, atol: float) -> str:
    """The first part of the last run that disagrees with eager on what it was fed, or all."""
    for call in decoding.calls:
        try:
            expected = call.part.eager(as_tensors(call.feed))
        except EagerError:
            continue
        if compare(expected, dict(call.outputs), atol).findings:
            return call.part.stem
    return decoding.sides.stem


def compare_choices(generation: Generation, logits: Array, atol: float) -> Examined:
    """The tokens that the logits [batch, tokens, vocabulary] of a generation's course choose,
    beside those that `generate()` chose.

    A row ends where eager's margin does not decide. A step where `generate()` did not take the
    largest logit, since it had a rule of its own or its row had ended, says nothing.
    """
    import numpy as np

    best = np.sort(generation.logits, axis=2)
    margins = best[..., -1] - best[..., -2]
    is_decided = np.logical_and.accumulate(margins >= DECISIVE * atol, axis=1)
    is_compared = is_decided & (generation.logits.argmax(axis=2) == generation.choices)
    if not is_compared.any():
        reason = "no choice of generate() is the largest logit by 10 x atol, so none was compared"
        return Examined(doubts={GREEDY: f"{GREEDY}: {reason}"})
    got = logits[:, [end - 1 for end in generation.course.ends[:-1]]].argmax(axis=2)
    differs = np.argwhere((is_compared & (got != generation.choices)).T)
    if not len(differs):
        return Examined(doubts={GREEDY: None})
    step, row = (int(index) for index in differs[0])
    message = (
        f"{GREEDY}: got {got[row, step]} as number {step + 1} of row {row}, expected "
        f"{generation.choices[row, step]}, which generate() chooses by a margin of "
        f"{margins[row, step]:.3g}"
    )
    return Examined((Finding(message=message),), doubts={GREEDY: None})


def compare_rows(part: PartEvidence, example: Example, atol: float) -> Examined:
    """A run on an example beside a run on its rows in another order; raises CandidateError.

    One row has no other order, so nothing is claimed of it.
    """
    config = part.config
    feed = {name: tensor.numpy() for name, tensor in part.feed(example).items()}
    past = next(name for name in config.inputs if name.startswith(PAST))
    if len(feed[past]) < 2:
        return Examined()
    order = _order(len(feed[past]), example.seed)
    rows = config.inputs[past][0]
    plain = part.candidate(example)
    expected = _reordered(plain, config.outputs, rows, order)
    got = part.run(_reordered(feed, config.inputs, rows, order))
    examined = compare(expected, got, atol)
    told = (
        dataclasses.replace(f, message=f"{ROWS} in the order {order}: {f.message}", part=part.stem)
        for f in examined.findings
    )
    is_same = not compare(expected, plain, atol).findings
    reason = f"{ROWS}: all rows give the same outputs, so their order could not have shown"
    return Examined(tuple(told), doubts={ROWS: reason if is_same else None})


def _order(count: int, seed: int) -> list[int]:
    """A seeded order of so many rows that is not the one they have.

    Orders differ from example to example, since a file that mixes rows agrees with some of them:
    one that rolls its cache by a row is not refused by rolling the feed.
    """
    order = random.Random(seed).sample(range(count), count)
    return order if order != sorted(order) else [*order[1:], order[0]]


def _reordered(
    arrays: Arrays, named: Mapping[str, Axes], rows: str, order: Sequence[int]
) -> Arrays:
    """Arrays with their rows in another order, along each axis that is declared as `rows`."""
    axes = {name: axis_of(named[name], rows) for name in arrays if name in named}
    return {
        name: array if axes.get(name) is None else array.take(order, axis=axes[name])
        for name, array in arrays.items()
    }
