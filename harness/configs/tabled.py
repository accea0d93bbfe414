"""Descriptions as tables: inputs, outputs and axes of each task as data, as `scaffold` writes them.

A description says more by its middle-end class. This one is for models of which only an experiment
is known.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar

from harness.configs.base import NamedAxes, OnnxConfig
from harness.configs.dummy_inputs import DummyInputGenerator, dense_shape
from harness.configs.feed_generators import Dims, SeededGenerator
from harness.configs.task_table import Axes, base_task
from harness.errors import DescriptionError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Setting:
    """A size that the configuration states, by its path, such as `vision_config.image_size`.

    Of a list, it is the last member.
    """

    path: str

    def read(self, config: Any) -> int:
        """Return the size; raises AttributeError if the configuration lacks the setting."""
        value = reduce(getattr, self.path.split("."), config)
        return int(value[-1] if isinstance(value, list | tuple) else value)


@dataclass(frozen=True, slots=True)
class TabledInput:
    """An input: the kind of its values, and its axes.

    An axis is an axis expression, or a size that the model fixes: a number or a setting. Integers
    are at least 0 and below `high`. Kinds are the keys of `KINDS`.
    """

    kind: str
    axes: tuple[str | int | Setting, ...]
    high: int | Setting = 2


@dataclass(frozen=True, slots=True)
class TaskTable:
    """The inputs and outputs of a task."""

    inputs: Mapping[str, TabledInput]
    outputs: Mapping[str, Axes]


class TabledInputGenerator(DummyInputGenerator):
    """Draws inputs by the kinds that a table states."""

    TABLE: ClassVar[Mapping[str, TabledInput]] = {}

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        return self._drawn(name, dims, is_ordinary=False)

    def ordinary(self, name: str, dims: Dims, *, past: int) -> torch.Tensor:
        return self._drawn(name, dims, is_ordinary=True)

    def _drawn(self, name: str, dims: Dims, *, is_ordinary: bool) -> torch.Tensor:
        import torch

        one, shape = self.TABLE[name], dense_shape(name, dims)
        match one.kind:
            case "floats":
                return self._normal(shape)
            case "integers":
                return self._integers(0, _size(one.high, self.whole_config.config), shape)
            case "positions":
                return torch.arange(shape[-1]).expand(shape).clone()
            case "zeros":
                return torch.zeros(shape, dtype=torch.int64)
        shown = torch.ones(shape) if is_ordinary else self._shown(shape)
        return shown.to(torch.bool if one.kind == "booleans" else torch.int64)

    def _shown(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Return rows of ones, and rows whose end is hidden. The first place is always shown."""
        import torch

        lengths = self._integers(1, 2 * shape[-1] + 1, (*shape[:-1], 1))
        return torch.arange(shape[-1]) < lengths


KINDS: Mapping[str, str] = {
    "floats": "standard normal numbers",
    "integers": "whole numbers from 0 to below `high`",
    "positions": "consecutive numbers from 0 on",
    "zeros": "zeros",
    "mask": "a mask of integers, 1 for what is shown",
    "booleans": "a mask of booleans, True for what is shown",
}
"""Kind of an input -> its values."""


class TabledOnnxConfig(OnnxConfig):
    """A description of which `TABLES` states the inputs and outputs of each task.

    `CEILINGS` maps axis expressions to the setting that ends them. Inputs that no class of
    `DUMMY_INPUT_GENERATOR_CLASSES` supports are drawn by their kind.
    """

    TABLES: ClassVar[Mapping[str, TaskTable]] = {}
    CEILINGS: ClassVar[Mapping[str, Setting]] = {}

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
    def inputs(self) -> Mapping[str, Axes]:
        return {
            name: {axis: text for axis, text in enumerate(one.axes) if isinstance(text, str)}
            for name, one in self.table.inputs.items()
        }

    @property
    def outputs(self) -> NamedAxes:
        return OrderedDict((name, dict(axes)) for name, axes in self.table.outputs.items())

    @property
    def fixed_sizes(self) -> Mapping[str, Mapping[int, int]]:
        return {
            name: {
                axis: _size(size, self.config)
                for axis, size in enumerate(one.axes)
                if not isinstance(size, str)
            }
            for name, one in self.table.inputs.items()
        }

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        return {axis: setting.read(self.config) for axis, setting in self.CEILINGS.items()}

    @property
    def dummy_input_generator_classes(self) -> Iterable[type[SeededGenerator]]:
        table = self.table.inputs
        members = {"TABLE": table, "SUPPORTED_INPUT_NAMES": tuple(table)}
        own = type("TabledInputs", (TabledInputGenerator,), members)
        return (*self.DUMMY_INPUT_GENERATOR_CLASSES, own)

    def image_axes(self, name: str) -> tuple[int, ...]:
        axes = self.table.inputs[name].axes
        if not {"height", "width"} <= set(axes):
            return super().image_axes(name)
        height = axes.index("height")
        return height - 1, height, axes.index("width")


def _size(size: int | Setting, config: Any) -> int:
    return size.read(config) if isinstance(size, Setting) else size
