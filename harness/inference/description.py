"""The description of what was found, as tables: inputs, outputs, sizes of axes, and ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.configs.axes import AxisExpression
from harness.configs.axis_space import AXIS_RANGES, AxisRange
from harness.configs.normalized_config import NormalizedTextConfig
from harness.configs.tabled import Setting, TabledInput, TabledOnnxConfig, TaskTable
from harness.configs.text_inputs import DummyTextInputGenerator
from harness.inference.comparison.agreement import compare_with_inference
from harness.inference.configuration.settings import are_sizes, is_size, nodes, own_settings
from harness.inference.experiments.inferred_axes import InferredAxes
from harness.inference.experiments.opened_feed import OpenedFeed
from harness.inference.feeds.configured_sizes import SETTINGS_OF_SIZES

if TYPE_CHECKING:
    from harness.inference.feeds.proposed_input import ProposedInput
    from harness.inference.proposal import Proposal

_KINDS: Mapping[str, str] = {
    "floats": "floats",
    "ids": "integers",
    "decoder-ids": "integers",
    "plain-ids": "integers",
    "integers": "integers",
    "types": "integers",
    "positions": "positions",
    "zeros": "zeros",
    "mask": "mask",
    "ones": "mask",
    "booleans": "booleans",
}
"""Kind of a proposed input -> the kind of a tabled one that has the same values."""

_VOCABULARY = "vocab_size"
_SPREAD = 2
"""Axes without an end are drawn up to so many times their first size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDescription:
    """The tables of a task. `problems` say what tables cannot express, one line each.

    `vocabulary` is the setting with the number of tokens, None if no input holds tokens.
    """

    task: str
    table: TaskTable
    ranges: Mapping[str, AxisRange]
    ceilings: Mapping[str, Setting]
    vocabulary: Setting | None
    problems: tuple[str, ...]

    @property
    def divided(self) -> tuple[str, ...]:
        """The axes that are neither batches nor tokens: models divide them by strides."""
        return tuple(sorted(self.ranges.keys() - AXIS_RANGES.keys()))


def describe(found: Proposal) -> FoundDescription:
    """Return the tables of what was found, with the differences that an experiment still finds."""
    assert found.axes is not None
    problems = [*_problems_of_feed(found)]
    inputs = {name: _tabled(name, one, found) for name, one in found.feed.inputs.items()}
    outputs = {
        name: {
            index: axis.expression.text
            for index, axis in enumerate(axes)
            if axis.expression is not None and not axis.is_constant
        }
        for name, axes in found.outputs.items()
    }
    own = FoundDescription(
        task=found.task,
        table=TaskTable(inputs, outputs),
        ranges=dict(_ranges(found.axes)),
        ceilings=dict(_ceilings(found.axes)),
        vocabulary=_vocabulary(found),
        problems=tuple(problems),
    )
    return own if problems else _compared(own, found)


def tabled_class(own: FoundDescription) -> type[TabledOnnxConfig]:
    """Return the class that a module with these tables has."""
    members: dict[str, Any] = {
        "TABLES": {own.task: own.table},
        "AXIS_RANGES": own.ranges,
        "CEILINGS": own.ceilings,
        "DIVIDED_AXES": frozenset(own.divided),
    }
    if own.vocabulary is not None:
        members["DUMMY_INPUT_GENERATOR_CLASSES"] = (DummyTextInputGenerator,)
        names = {_VOCABULARY: own.vocabulary.path}
        members["NORMALIZED_CONFIG_CLASS"] = NormalizedTextConfig.with_args(**names)
    return type("FoundOnnxConfig", (TabledOnnxConfig,), members)


def _compared(own: FoundDescription, found: Proposal) -> FoundDescription:
    model = found.tiny.build()
    agreement = compare_with_inference(model, tabled_class(own)(model.config, found.task))
    lines = (f"{one.name}: {one.details}" for one in agreement.differences)
    return replace(own, problems=tuple(f"the tables differ from eager: {line}" for line in lines))


def _problems_of_feed(found: Proposal) -> Iterator[str]:
    for placeholder in found.feed.placeholders:
        yield (
            f"placeholders: {placeholder.count} tokens of each row stand for the "
            f"{placeholder.modality}; tables cannot tie them, a description that does is needed"
        )
    for name, one in found.feed.inputs.items():
        if one.kind not in _KINDS:
            yield f"input {name}: no table draws the kind {one.kind}; it needs a generator"
        elif one.dtype not in {"int64", "float32", "bool"}:
            yield f"input {name}: no table draws {one.dtype}; it needs a generator"


def _tabled(name: str, one: ProposedInput, found: Proposal) -> TabledInput:
    assert found.axes is not None
    labels = OpenedFeed(found.feed).inputs[name].axes
    axes = tuple(_axis(axis, found) for axis in labels)
    kind = _KINDS.get(one.kind, one.kind)
    high = _setting(one.high, found) if kind == "integers" else 2
    return TabledInput(kind, axes, high)


def _axis(axis: str | int, found: Proposal) -> str | int | Setting:
    """Return a free axis by its name, what follows as an expression, and the rest as a size."""
    assert found.axes is not None
    if isinstance(axis, int):
        return _setting(axis, found)
    if axis in found.axes.followers:
        return found.axes.followers[axis].text
    own = found.axes.axis_of(axis)
    if own is not None:
        return own.name if own.is_free else _setting(own.first, found)
    sizes = OpenedFeed(found.feed).export_sizes
    if axis in sizes:
        return _setting(sizes[axis], found)
    return axis  # an expression over names


def _setting(size: int, found: Proposal) -> int | Setting:
    """Return the setting of this size, of the names that sizes of inputs have; else the number.

    A size that several settings have stays a number.
    """
    from transformers import AutoConfig

    config = AutoConfig.for_model(**found.tiny.config)
    paths = {
        ".".join((*path, name))
        for path, node in nodes(config)
        for name, value in own_settings(node).items()
        if name in SETTINGS_OF_SIZES and (value == size if is_size(value) else _ends(value, size))
    }
    if not paths:
        return size
    shortest = sorted(paths, key=lambda path: (path.count("."), path))
    same = [path for path in shortest if path.count(".") == shortest[0].count(".")]
    return Setting(same[0]) if len(same) == 1 else size


def _ends(value: Any, size: int) -> bool:
    return are_sizes(value) and len(set(value)) == 1 and value[-1] == size


def _ranges(axes: InferredAxes) -> Iterator[tuple[str, AxisRange]]:
    """Yield axes with other sizes than the common table has; exports have different sizes."""
    taken = {one.export for one in AXIS_RANGES.values()}
    for axis in sorted((one for one in axes.axes if one.is_free), key=lambda one: one.name):
        sizes, known = axis.sizes, AXIS_RANGES.get(axis.name)
        if known is not None and sizes.step == 1 and sizes.least <= max(1, known.low):
            continue
        low = -(-sizes.least // sizes.step) * sizes.step
        export = -(-max(2, axis.first) // sizes.step) * sizes.step
        while export in taken:
            export += sizes.step
        taken.add(export)
        high = max(_SPREAD * export, export + 2 * sizes.step)
        if sizes.largest is not None:
            high = min(high, sizes.largest - sizes.largest % sizes.step)
        yield axis.name, AxisRange(low, max(high, export), export=export, step=sizes.step)


def _ceilings(axes: InferredAxes) -> Iterator[tuple[str, Setting]]:
    for one in axes.ceilings:
        if one.is_confirmed and axes.axis_of(one.axis) is not None:
            yield one.axis, Setting(one.path)


def _vocabulary(found: Proposal) -> Setting | None:
    """Return the setting with the number of tokens, if the text generator can draw them."""
    one = found.feed.inputs.get("input_ids")
    if one is None or found.feed.placeholders:
        return None
    high = _setting(one.high, found)
    is_text = all(
        isinstance(axis, str) and AxisExpression.parse(axis).is_plain for axis in one.axes
    )
    return high if isinstance(high, Setting) and is_text else None
