"""Descriptions as tables: inputs, outputs and axes of each task as data, as `scaffold` writes them.

A description says more by its middle-end class. This one is for models of which only an experiment
is known.
"""

from __future__ import annotations

import functools
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.configs.axes import AxisExpression
from harness.configs.base import NamedAxes, OnnxConfig
from harness.configs.feed_generators import SeededGenerator
from harness.configs.setting import Setting, read_size
from harness.configs.tabled_inputs import (
    TOKENS,
    TabledFeedGenerator,
    TabledInput,
    TabledPlaceholder,
)
from harness.configs.task_table import Axes, base_task
from harness.errors import DescriptionError

LENGTH = "sequence_length"
_TIED = frozenset({TOKENS, "modalities"})


@dataclass(frozen=True, slots=True)
class TaskTable:
    """The inputs and outputs of a task, and the tokens that stand for other inputs.

    With placeholders, the `sequence_length` of axes is at least their number and two more.
    """

    inputs: Mapping[str, TabledInput]
    outputs: Mapping[str, Axes]
    placeholders: tuple[TabledPlaceholder, ...] = ()


class TabledOnnxConfig(OnnxConfig):
    """A description of which `TABLES` states the inputs and outputs of each task.

    `CEILINGS` maps axis expressions to the setting or the number that ends them. Inputs that no
    class of `DUMMY_INPUT_GENERATOR_CLASSES` supports are drawn by their kind, and so are tokens
    with placeholders among them.
    """

    TABLES: ClassVar[Mapping[str, TaskTable]] = {}
    CEILINGS: ClassVar[Mapping[str, int | Setting]] = {}

    @property
    def table(self) -> TaskTable:
        """Return the table of the task; raises DescriptionError if `TABLES` lacks it."""
        task = base_task(self.task)
        if task not in self.TABLES:
            raise DescriptionError(
                f"{type(self).__name__}: TABLES has no {task!r}, got {', '.join(self.TABLES)}; "
                "add the inputs and outputs of the task"
            )
        return self.TABLES[task]

    @property
    def token_axis(self) -> str:
        """The length of a text with its placeholders."""
        counts = [one.read(self.config).count for one in self.table.placeholders]
        if not counts:
            return LENGTH
        total = " + ".join(["2", *counts])
        parsed = AxisExpression.parse(total)
        return f"max({LENGTH}, {total if parsed.names else parsed.evaluate({})})"

    def _with_tokens(self, axis: str) -> str:
        """Return an axis in which the length of a text holds its placeholders."""
        return re.sub(rf"\b{LENGTH}\b", self.token_axis, axis)

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {
            name: {
                axis: self._with_tokens(text)
                for axis, text in enumerate(one.axes)
                if isinstance(text, str)
            }
            for name, one in self.table.inputs.items()
        }

    @property
    def outputs(self) -> NamedAxes:
        return OrderedDict(
            (name, {axis: self._with_tokens(text) for axis, text in axes.items()})
            for name, axes in self.table.outputs.items()
        )

    @property
    def fixed_sizes(self) -> Mapping[str, Mapping[int, int]]:
        return {
            name: {
                axis: read_size(size, self.config)
                for axis, size in enumerate(one.axes)
                if not isinstance(size, str)
            }
            for name, one in self.table.inputs.items()
        }

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        ceilings = {axis: read_size(end, self.config) for axis, end in self.CEILINGS.items()}
        return {self._with_tokens(axis): limit for axis, limit in ceilings.items()}

    @property
    def dummy_input_generator_classes(self) -> Iterable[type[SeededGenerator]]:
        return (_tied_inputs(type(self), base_task(self.task)), *self.DUMMY_INPUT_GENERATOR_CLASSES)

    def image_axes(self, name: str) -> tuple[int, ...]:
        axes = self.table.inputs[name].axes
        if not {"height", "width"} <= set(axes):
            return super().image_axes(name)
        height = axes.index("height")
        return height - 1, height, axes.index("width")


@functools.cache
def _tied_inputs(described: type[TabledOnnxConfig], task: str) -> type[TabledFeedGenerator]:
    """Return the generator of the inputs of a task that the table alone describes."""
    table, others = described.TABLES[task], described.DUMMY_INPUT_GENERATOR_CLASSES
    names = tuple(
        name
        for name, one in table.inputs.items()
        if (table.placeholders and one.kind in _TIED)
        or not any(other.supports_input(name) for other in others)
    )
    members = {
        "TABLE": table.inputs,
        "PLACEHOLDERS": table.placeholders,
        "SUPPORTED_INPUT_NAMES": names,
    }
    return type("TabledInputs", (TabledFeedGenerator,), members)
