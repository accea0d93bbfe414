"""The description of what was found, as tables: inputs, outputs, sizes of axes, and ends."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.configs.axes import AxisExpression
from harness.configs.axis_space import AXIS_RANGES, AxisRange
from harness.configs.base import OnnxConfig
from harness.configs.normalized_config import (
    NormalizedConfig,
    NormalizedTextAndVisionConfig,
    NormalizedTextConfig,
)
from harness.configs.setting import Setting
from harness.configs.tabled import LENGTH, TabledOnnxConfig, TaskTable
from harness.configs.tabled_inputs import TOKENS, TabledInput
from harness.configs.text_inputs import DummyTextInputGenerator
from harness.configs.value_kinds import KINDS, MASKS
from harness.errors import DescriptionError, one_line
from harness.inference.capabilities import capabilities_of
from harness.inference.comparison.agreement import compare_with_inference
from harness.inference.comparison.eager_trial import refusal_of_least_sizes
from harness.inference.described_sizes import DescribedSizes
from harness.inference.experiments.inferred_axes import InferredAxes, InferredAxis
from harness.inference.experiments.opened_feed import OpenedFeed

if TYPE_CHECKING:
    from harness.inference.feeds.proposed_input import ProposedInput
    from harness.inference.proposal import Proposal

_VOCABULARY = "vocab_size"
_NEEDED = {"position_ids": "max_position_embeddings", "token_type_ids": "type_vocab_size"}
"""Input of a text -> the setting beside its vocabulary that the text generator reads for it."""
_FAR = 64
_SPREAD = 2
"""Axes without an end are drawn up to so many times their first size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDescription:
    """The tables of a task. `problems` say what tables cannot express, one line each.

    `vocabulary` is the setting with the number of tokens, None if no input holds tokens. `bases`
    are the classes that the class with these tables has.
    """

    task: str
    table: TaskTable
    ranges: Mapping[str, AxisRange]
    ceilings: Mapping[str, int | Setting]
    vocabulary: Setting | None
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()
    bases: tuple[type[OnnxConfig], ...] = (TabledOnnxConfig,)

    @property
    def divided(self) -> tuple[str, ...]:
        """The axes that are neither batches nor tokens: models divide them by strides."""
        return tuple(sorted(self.ranges.keys() - AXIS_RANGES.keys()))


def describe(found: Proposal) -> FoundDescription:
    """Return the tables of what was found, with the differences that an experiment still finds.

    Placeholders are scattered over the text if that agrees with eager.
    """
    own = _described(found, is_scattered=True)
    if found.feed.placeholders and own.problems:
        own = _described(found, is_scattered=False)
    return own if own.problems else _with_accepted_least_sizes(own, found)


def _with_accepted_least_sizes(own: FoundDescription, found: Proposal) -> FoundDescription:
    """Return tables of which eager accepts the least sizes of all axes together.

    One axis begins at twice its least size if that helps, with a note.
    """
    model = found.tiny.build()
    refusal = refusal_of_least_sizes(tabled_class(own)(model.config, found.task), model)
    for name, one in own.ranges.items() if refusal else ():
        low = 2 * one.low
        if low > one.export:
            continue
        ranges = {**own.ranges, name: replace(one, low=low)}
        note = f"{found.task}: {name} begins at {low}, since {refusal}"
        other = replace(own, ranges=ranges, notes=(note,))
        if not refusal_of_least_sizes(tabled_class(other)(model.config, found.task), model):
            return other
    return own


def _described(found: Proposal, *, is_scattered: bool) -> FoundDescription:
    assert found.axes is not None
    sizes = DescribedSizes(found)
    inputs = {name: _tabled(name, one, found) for name, one in found.feed.inputs.items()}
    outputs = {
        name: {
            index: axis.expression.text
            for index, axis in enumerate(axes)
            if axis.expression is not None and not axis.is_constant
        }
        for name, axes in found.outputs.items()
    }
    placeholders = tuple(
        sizes.placeholder(one, is_scattered=is_scattered) for one in found.feed.placeholders
    )
    own = FoundDescription(
        task=found.task,
        table=TaskTable(inputs, outputs, placeholders),
        ranges=dict(_ranges(found)),
        ceilings=dict(_ceilings(found)),
        vocabulary=_vocabulary(found),
        problems=(),
        bases=(*capabilities_of(found.tiny.build()), TabledOnnxConfig),
    )
    return replace(own, problems=tuple(_problems_of_agreement(own, found)))


def tabled_class(own: FoundDescription) -> type[OnnxConfig]:
    """Return the class that a module with these tables has."""
    members: dict[str, Any] = {
        "TABLES": {own.task: own.table},
        "AXIS_RANGES": own.ranges,
        "CEILINGS": own.ceilings,
        "DIVIDED_AXES": frozenset(own.divided),
    }
    if own.vocabulary is not None:
        members["DUMMY_INPUT_GENERATOR_CLASSES"] = (DummyTextInputGenerator,)
        base, names = text_config(own.vocabulary)
        members["NORMALIZED_CONFIG_CLASS"] = base.with_args(**names)
    return type("FoundOnnxConfig", own.bases, members)


def text_config(vocabulary: Setting) -> tuple[type[NormalizedConfig], Mapping[str, str]]:
    """Return the class that reads the configuration of a text, and the names that it maps.

    A vocabulary of a nested configuration says where the one of the text is.
    """
    *holder, name = vocabulary.path.split(".")
    if holder and name == _VOCABULARY:
        return NormalizedTextAndVisionConfig, {"text_config": ".".join(holder)}
    return NormalizedTextConfig, {_VOCABULARY: vocabulary.path}


def _problems_of_agreement(own: FoundDescription, found: Proposal) -> Iterator[str]:
    model = found.tiny.build()
    masks = [name for name, one in own.table.inputs.items() if one.kind in MASKS]
    config = tabled_class(own)(model.config, found.task)
    try:
        differences = compare_with_inference(model, config, masks=masks).differences
    except DescriptionError as error:
        yield f"the tables give no feed: {one_line(error)}"
        return
    yield from (f"the tables differ from eager: {one.name}: {one.details}" for one in differences)


def _tabled(name: str, one: ProposedInput, found: Proposal) -> TabledInput:
    sizes, kind = DescribedSizes(found), KINDS[one.kind]
    axes = tuple(sizes.axis(axis) for axis in OpenedFeed(found.feed).inputs[name].axes)
    stated = sizes.vocabulary if one.kind == TOKENS else sizes.setting
    high = stated(one.high) if kind.is_bounded else 2
    if kind.follows is None:
        return TabledInput(one.kind, axes, high)
    height, width = (sizes.axis(side) for side in kind.follows)
    sides = None if (height, width) == kind.follows else (height, width)
    return TabledInput(one.kind, axes, high, sides)


def _ranges(found: Proposal) -> Iterator[tuple[str, AxisRange]]:
    """Yield axes with other sizes than the common table has.

    Exports have different sizes, and such that no size that follows is 1, which torch.export takes
    as fixed. The length of a text with placeholders follows their number, and so the axes that
    decide their number have no end.
    """
    assert found.axes is not None
    free = sorted((one for one in found.axes.axes if one.is_free), key=lambda one: one.name)
    taken = {AXIS_RANGES[one.name].export for one in free if one.name in AXIS_RANGES}
    counted = _names_of_counts(found)
    for axis in free:
        sizes, known = axis.sizes, AXIS_RANGES.get(axis.name)
        if (
            known is not None
            and sizes.step == 1
            and sizes.least <= max(1, known.low)
            and not _gives_one(found, axis.name, known.export)
        ):
            continue
        if found.feed.placeholders and axis.name == LENGTH:
            continue
        low = -(-sizes.least // sizes.step) * sizes.step
        export = _export_size(found, axis, taken)
        taken.add(export)
        high = max(_SPREAD * export, export + 2 * sizes.step)
        if sizes.largest is not None and axis.name not in counted:
            high = min(high, sizes.largest - sizes.largest % sizes.step)
        yield axis.name, AxisRange(low, max(high, export), export=export, step=sizes.step)


def _export_size(found: Proposal, axis: InferredAxis, taken: Collection[int]) -> int:
    """Return the first size, or a larger one that no other axis has and that gives no size of 1."""
    sizes = axis.sizes
    smallest = export = -(-max(2, axis.first) // sizes.step) * sizes.step
    while export in taken or _gives_one(found, axis.name, export):
        export += sizes.step
    return export if sizes.largest is None or export <= sizes.largest else smallest


def _gives_one(found: Proposal, name: str, size: int) -> bool:
    """Whether some size is 1 if one axis has this size, and is larger for a larger axis."""
    assert found.axes is not None
    firsts = {one.name: one.first for one in found.axes.axes}
    followers = found.axes.followers.values()
    outputs = (axis.expression for axes in found.outputs.values() for axis in axes)
    return any(
        one.evaluate({**firsts, name: size}) <= 1 < one.evaluate({**firsts, name: _FAR * size})
        for one in (*followers, *outputs)
        if one is not None and {name} <= set(one.names) <= firsts.keys()
    )


def _names_of_counts(found: Proposal) -> set[str]:
    counts = (AxisExpression.parse(one.count) for one in found.feed.placeholders)
    return {name for count in counts for name in count.names}


def _ceilings(found: Proposal) -> Iterator[tuple[str, int | Setting]]:
    """Yield where axes end: a setting, or the largest size that eager accepts.

    The axes that decide a number of placeholders end with the length of the first text only.
    """
    axes = found.axes
    assert axes is not None
    confirmed = [one for one in axes.ceilings if one.is_confirmed]
    for one in confirmed:
        if axes.axis_of(one.axis) is not None:
            yield one.axis, Setting(one.path)
    stated = {name for one in confirmed for name in _names_at(one.axis, axes)}
    for axis in axes.axes:
        if (
            axis.is_free
            and axis.sizes.largest
            and axis.name not in stated | _names_of_counts(found)
        ):
            yield axis.name, axis.sizes.largest


def _names_at(label: str, axes: InferredAxes) -> Collection[str]:
    """Return the names of the axes that decide the size of a label."""
    own = axes.axis_of(label)
    if own is not None:
        return (own.name,)
    return axes.followers[label].names if label in axes.followers else ()


def _vocabulary(found: Proposal) -> Setting | None:
    """Return the setting with the number of tokens, if the text generator can draw them."""
    one = found.feed.inputs.get("input_ids")
    if one is None:
        return None
    sizes = DescribedSizes(found)
    high = sizes.vocabulary(one.high)
    is_text = all(
        isinstance(axis, str) and AxisExpression.parse(axis).is_plain for axis in one.axes
    )
    needed = [setting for name, setting in _NEEDED.items() if name in found.feed.inputs]
    if not (isinstance(high, Setting) and is_text):
        return None
    holder = high.holder(sizes.config)
    return high if all(hasattr(holder, setting) for setting in needed) else None
