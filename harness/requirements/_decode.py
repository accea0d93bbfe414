"""The comparisons of `cache`: decode steps with eager PyTorch, chosen tokens with `generate()`, and
rows in another order."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.configs.axes import AxisExpression
from harness.configs.cache_layout import CacheKind, is_past
from harness.configs.decoding import axis_of, cut
from harness.evidence.decoding import step_name
from harness.evidence.reference import EagerError, as_tensors
from harness.requirements.shared.comparison import DECISIVE_FACTOR, compare
from harness.requirements.shared.requirement import Examined, Finding

if TYPE_CHECKING:
    import numpy as np

    from harness.configs.base import OnnxConfig
    from harness.configs.feeds import Feed
    from harness.configs.task_table import Axes
    from harness.evidence.decoding import DecodeReference, DecodeSchedule, Decoding
    from harness.evidence.example import Example
    from harness.evidence.generation import Generation
    from harness.evidence.reference import Arrays
    from harness.evidence.sides import PartEvidence
    from harness.evidence.tolerance import Tolerance

    Array = np.ndarray[Any, Any]

GREEDY = "greedy tokens"
ROWS = "rows of the cache"
EAGER_IN_STEPS = (
    "the reference is eager PyTorch in the same steps, which differ from its full forward by more "
    "than atol, since its rotary frequencies follow the length of a call"
)
"""A note of an example."""


def compare_steps(
    decoding: Decoding,
    schedule: DecodeSchedule,
    reference: DecodeReference,
    got: Feed,
    tolerance: Tolerance,
) -> Examined:
    """Compare the outputs of the decode steps with eager PyTorch.

    The reference is one full forward. If eager's own steps differ from it by more than atol, the
    reference is these steps, and a note says so: users decode in steps, as `generate()` does. A
    file cannot know at the prefill which frequencies the later tokens will select.

    Only positions whose query sees at least one key are compared. The findings name the first step
    that differs. `got` holds the outputs of all steps, joined.
    """
    steps = reference.in_steps
    if (
        steps is None
        or not _compare_all(decoding, schedule, reference.in_one_call, steps, tolerance).findings
    ):
        return _compare_by_step(
            decoding, schedule, reference.in_one_call, got, tolerance, name="one full forward"
        )
    examined = _compare_by_step(
        decoding, schedule, steps, got, tolerance, name="eager PyTorch in the same steps"
    )
    return dataclasses.replace(examined, notes=(EAGER_IN_STEPS,))


def _compare_by_step(
    decoding: Decoding,
    schedule: DecodeSchedule,
    expected: Arrays,
    got: Feed,
    tolerance: Tolerance,
    *,
    name: str,
) -> Examined:
    """Compare all tokens; if they differ, the findings name the first step that differs.

    `name` says in messages where `expected` comes from.
    """
    examined = _compare_all(decoding, schedule, expected, got, tolerance)
    if not examined.findings:
        return examined
    config, seen = decoding.config, _seen(decoding, schedule)
    for span, call in zip(schedule.spans, decoding.calls[-len(schedule.ends) :], strict=True):
        step = _compare_span(config, seen, expected, call.outputs, tolerance, span=span)
        if step.findings:
            place = f"{step_name(*span)} against {name}"
            findings = (
                dataclasses.replace(f, message=f"{place}: {f.message}") for f in step.findings
            )
            return dataclasses.replace(examined, findings=tuple(findings))
    return examined


def _compare_all(
    decoding: Decoding, schedule: DecodeSchedule, expected: Arrays, got: Feed, tolerance: Tolerance
) -> Examined:
    span = (0, schedule.ends[-1])
    seen = _seen(decoding, schedule)
    return _compare_span(decoding.config, seen, expected, got, tolerance, span=span)


def _seen(decoding: Decoding, schedule: DecodeSchedule) -> Array:
    """Return whether each query sees a key, [batch, tokens]."""
    import numpy as np

    seen = decoding.defined_queries(schedule)
    if seen is None:
        rows = len(next(iter(schedule.feed.values())))
        return np.ones((rows, schedule.ends[-1]), dtype=bool)
    return seen


def _compare_span(
    config: OnnxConfig,
    seen: Array,
    expected: Arrays,
    got: Feed,
    tolerance: Tolerance,
    *,
    span: tuple[int, int],
) -> Examined:
    """Compare the tokens `span` of `expected`, which has all tokens, with `got`.

    Only the positions that `seen` [batch, tokens] marks are compared. Of a layer that keeps its
    window, those after the last token are.
    """
    import numpy as np

    start, end = span
    sides: tuple[Arrays, Arrays] = ({}, {})
    windowed = {entry.present for entry in config.cache if entry.kind is CacheKind.WINDOW}
    for name, axes in config.outputs.items():
        if name in windowed and end < seen.shape[1]:
            continue  # `expected` holds what is kept after the last token alone
        axis = _token_axis(config, axes)
        expected_part = cut(config, expected[name], axes, start=start, end=end)
        for side, array in zip(sides, (expected_part, got[name]), strict=True):
            if axis is None:
                side[name] = array
                continue
            positions = cut(config, seen, {1: axes[axis]}, start=start, end=end)
            if name in windowed:
                positions = positions[:, positions.shape[1] - array.shape[axis] :]
            side[name] = np.moveaxis(array, axis, 1)[positions]
    return compare(*sides, tolerance)


def _token_axis(config: OnnxConfig, axes: Axes) -> int | None:
    """Return the index of the axis over the new tokens, alone or in a sum, or None.

    A decode schedule starts without a past, so the sum is the number of tokens.
    """
    found = (a for a, t in axes.items() if config.STEP_AXIS in AxisExpression.parse(t).names)
    return next(found, None)


def part_at_fault(decoding: Decoding, tolerance: Tolerance) -> str:
    """Return the stem of the first part that disagrees with eager PyTorch in the last run.

    If no part disagrees alone, return the stem of all parts together.
    """
    for call in decoding.calls:
        try:
            expected = call.part.eager(as_tensors(call.feed))
        except EagerError:
            continue
        if compare(expected, dict(call.outputs), tolerance).findings:
            return call.part.stem
    return decoding.sides.stem


def compare_choices(generation: Generation, logits: Array, atol: float) -> Examined:
    """Compare the tokens that the file's logits choose with the tokens that `generate()` chose.

    `logits` [batch, tokens, vocabulary] come from the calls of the model that `generate()` made.
    The comparison of a batch row ends at the first step where eager's two largest logits differ by
    less than 10 x atol. A step is left out if `generate()` did not choose the largest logit,
    because of a rule of its own or because the row had ended.
    """
    import numpy as np

    best = np.sort(generation.logits, axis=2)
    margins = best[..., -1] - best[..., -2]
    is_decided = np.logical_and.accumulate(margins >= DECISIVE_FACTOR * atol, axis=1)
    is_compared = is_decided & (generation.logits.argmax(axis=2) == generation.choices)
    if not is_compared.any():
        reason = "no choice of generate() is the largest logit by 10 x atol, so none was compared"
        return Examined(doubts={GREEDY: f"{GREEDY}: {reason}"})
    got = logits[:, [end - 1 for end in generation.schedule.ends[:-1]]].argmax(axis=2)
    differs = np.argwhere((is_compared & (got != generation.choices)).T)
    if not len(differs):
        return Examined(doubts={GREEDY: None})
    step, row = (int(index) for index in differs[0])
    message = (
        f"{GREEDY}: got {got[row, step]} at step {step + 1} of row {row}, expected "
        f"{generation.choices[row, step]}, which generate() chooses by a margin of "
        f"{margins[row, step]:.3g}"
    )
    return Examined((Finding(message=message),), doubts={GREEDY: None})


def compare_rows(part: PartEvidence, example: Example, tolerance: Tolerance) -> Examined:
    """Compare a run on an example with a run on the same rows in another order.

    Raises CandidateError if the file is refused. An example of one row has no other order and is
    not compared.
    """
    config = part.config
    feed = {name: tensor.numpy() for name, tensor in part.feed(example).items()}
    past = next(filter(is_past, config.inputs))
    if len(feed[past]) < 2:
        return Examined()
    order = _row_order(len(feed[past]), example.seed)
    rows = config.inputs[past][0]
    plain = part.candidate(example)
    expected = _reorder_rows(plain, config.outputs, rows, order)
    got = part.run(_reorder_rows(feed, config.inputs, rows, order))
    examined = compare(expected, got, tolerance)
    findings = (
        dataclasses.replace(f, message=f"{ROWS} in the order {order}: {f.message}", part=part.stem)
        for f in examined.findings
    )
    is_same = not compare(expected, plain, tolerance).findings
    reason = f"{ROWS}: all rows give the same outputs, so mixed rows would have passed"
    return Examined(tuple(findings), doubts={ROWS: reason if is_same else None})


def _row_order(count: int, seed: int) -> list[int]:
    """Return a seeded order of `count` rows that is not ascending.

    Each example has another order, because some orders hide an error: if a file rolls its cache by
    one row, rolling the feed does not show it.
    """
    order = random.Random(seed).sample(range(count), count)
    return order if order != sorted(order) else [*order[1:], order[0]]


def _reorder_rows(
    arrays: Arrays, named: Mapping[str, Axes], rows: str, order: Sequence[int]
) -> Arrays:
    """Return the arrays with their rows reordered along each axis that is declared as `rows`."""
    axes = {name: axis_of(named[name], rows) for name in arrays if name in named}
    return {
        name: array if axes.get(name) is None else array.take(order, axis=axes[name])
        for name, array in arrays.items()
    }
