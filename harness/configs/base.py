"""Level 1 of the description: what every exportable model states about itself."""

from __future__ import annotations

import copy
import dataclasses
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from harness.configs.atol import LEAST_ATOL, Atol, atol_of_task, stored_atol
from harness.configs.axes import AxisExpression
from harness.configs.axis_space import AxisRange, AxisSpace
from harness.configs.cache_layout import CacheEntry, CacheKind, is_past, own_keys_and_values
from harness.configs.calls import PartCall
from harness.configs.decoding import compose_steps, half_then_single, token_count
from harness.configs.dummy_feeds import DummyFeeds, sizes_in
from harness.configs.dummy_inputs import MASK_INPUTS
from harness.configs.feed_generators import FeedGenerators, SeededGenerator
from harness.configs.feeds import Feed, RunPart
from harness.configs.normalized_config import NormalizedConfig
from harness.configs.task_table import (
    TASKS,
    WITH_PAST,
    Axes,
    base_task,
    map_from_synonym,
)
from harness.errors import DescriptionError, UsageError, suggest

if TYPE_CHECKING:
    import torch
    from torch import nn

NamedAxes = OrderedDict[str, Axes]


class OnnxConfig(ABC):
    """Describes one architecture for one task: inputs, outputs, dynamic axes, tolerance.

    `config` is a transformers configuration. `ATOL_FOR_VALIDATION` of a class is optional: a
    number, or a mapping task -> number, in absolute units of the outputs. Of an instance it is the
    number of its task, `atol`.
    """

    NORMALIZED_CONFIG_CLASS: ClassVar[type[NormalizedConfig]] = NormalizedConfig
    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = ()
    ATOL_FOR_VALIDATION: ClassVar[Atol | None] = None
    DEFAULT_ONNX_OPSET: ClassVar[int] = 18
    MODALITY: ClassVar[str] = "other"
    AXIS_RANGES: ClassVar[Mapping[str, AxisRange]] = {}
    DERIVED_AXES: ClassVar[Mapping[str, str]] = {}
    """Axis whose size the values of a feed decide, such as the patches of images of several sizes
    -> an axis expression that it does not exceed, for the estimate of an example's cost."""

    DIVIDED_AXES: ClassVar[frozenset[str]] = frozenset()
    """Axes that the model divides by strides, patches or windows. torch.export cannot prove its own
    guards about quotients of a named dim; exporters leave such axes to it."""

    STEP_AXIS: ClassVar[str] = "sequence_length"
    STEP_INPUT: ClassVar[str] = "input_ids"
    """What a decoder adds to its past: the input of its tokens, and their axis."""

    CHOICES: ClassVar[Mapping[str, str]] = {}
    """Output of indices -> the output of scores whose largest they are, along its last axis. Where
    eager's scores are nearly tied, either choice is right."""

    OMITTED_INPUTS: ClassVar[Mapping[str, str]] = {}
    """Inputs that `forward` takes beside tokens and the file does not, on purpose: name -> why.
    The tests of registered descriptions read it; a verdict does not depend on it."""

    MODEL_CLASSES: ClassVar[Mapping[str, str]] = {}
    """Task, without `-with-past` -> transformers' class of its models, for a task whose Auto
    classes do not have the architecture."""

    counts_positions_itself: ClassVar[bool] = False
    """Whether the file takes no positions although generation feeds them."""

    external_data_threshold: int | None = None
    """Initializers of this many bytes and more are written beside the file; None leaves it to the
    exporter, which does so for models over 2 GiB."""

    def __init__(self, config: Any, task: str = "feature-extraction") -> None:
        self.task = map_from_synonym(task)
        if base_task(self.task) not in TASKS:
            raise UsageError(f"task {task!r} is not known; {suggest(task, TASKS)}")
        self.config = config
        self.normalized_config = self.NORMALIZED_CONFIG_CLASS(config)
        self.stated_atol = atol_of_task(self.ATOL_FOR_VALIDATION, self.task)
        known = self.stated_atol
        if known is None:
            known = stored_atol(getattr(config, "model_type", ""), self.task)
        self.atol = LEAST_ATOL if known is None else known

    @property
    @abstractmethod
    def inputs(self) -> Mapping[str, Axes]:
        """Input name -> {axis index: axis expression}; axes left out are static."""

    @property
    def outputs(self) -> NamedAxes:
        """Output name -> {axis index: axis expression}, as the task prescribes."""
        common = TASKS[base_task(self.task)].outputs
        return OrderedDict((name, dict(axes)) for name, axes in common.items())

    @property
    def parts(self) -> OrderedDict[str, OnnxConfig]:
        """ONNX file stem -> the description of that file."""
        return OrderedDict(model=self)

    @property
    def masks(self) -> tuple[str, ...]:
        """The inputs that hide places of others: those that share the axes of a mask."""
        return tuple(name for name in self.inputs if name in MASK_INPUTS)

    @property
    def end_masks(self) -> Mapping[str, int]:
        """Mask that hides only ends of rows -> the fewest places that a row shows.

        Rows of other masks may be padded anywhere, and be hidden completely.
        """
        return {}

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        """Axis name -> its sizes, if the common table has others.

        A description overrides this if the sizes follow from the configuration; entries of
        `AXIS_RANGES` then still take precedence.
        """
        return self.AXIS_RANGES

    @property
    def attended_positions(self) -> str | None:
        """Axis expression of the number of positions that attention sees, for the estimate of an
        example's cost; None if it is the length of an input or output."""
        return None

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        """Axis expression -> the largest value that the model admits."""
        return {}

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        """Axis expression -> the sizes around which the model behaves differently."""
        return {}

    @property
    def position_reaches(self) -> Sequence[int]:
        """Numbers of positions that feeds of kind REACHING use up to the last one.

        Empty if the file takes no positions.
        """
        return ()

    @property
    def axis_space(self) -> AxisSpace:
        """The sizes that the axes of the inputs may take, those of all parts together."""
        described = {id(config): config for config in (self, *self.parts.values())}
        names = (
            name
            for config in described.values()
            for axes in config.inputs.values()
            for text in axes.values()
            for name in AxisExpression.parse(text).names
            if name not in config.DERIVED_AXES
        )
        return AxisSpace.over(
            names,
            overrides=self.axis_ranges,
            ceilings=self.axis_ceilings,
            landmarks=self.axis_landmarks,
            reaches=len(self.position_reaches),
        )

    def exported_at(self, sizes: Mapping[str, int]) -> Self:
        """The same description, for an export from other axis sizes; its parts follow it."""
        other = copy.copy(self)
        ranges = {
            n: dataclasses.replace(self.axis_space.ranges[n], export=s) for n, s in sizes.items()
        }
        # Shadows the class attribute, which descriptions state and the axis space reads.
        vars(other)["AXIS_RANGES"] = {**self.AXIS_RANGES, **ranges}
        return other

    @property
    def atol(self) -> float:
        """The tolerance of this task: the stated one, or the one that is stored with the tiny model
        of this model type, or the least of all."""
        atol: float = vars(self)["ATOL_FOR_VALIDATION"]
        return atol

    @atol.setter
    def atol(self, value: float) -> None:
        # Shadows the class attribute, so that an instance gives a number under both names.
        vars(self)["ATOL_FOR_VALIDATION"] = value

    @property
    def use_past(self) -> bool:
        """Whether the file returns the keys and values of its tokens."""
        return False

    @property
    def use_past_in_inputs(self) -> bool:
        """Whether the file takes the keys and values of earlier tokens."""
        return self.use_past

    @property
    def cache(self) -> Sequence[CacheEntry]:
        """One entry for each tensor of the cache; empty if the task has no cache."""
        return ()

    @property
    def fixed_sizes(self) -> Mapping[str, Mapping[int, int]]:
        """Input name -> {axis index: size}, for axes that are not dynamic; generators need them."""
        return {entry.name: entry.fixed for entry in self.cache if entry.fixed}

    @property
    def steps_singly(self) -> bool:
        """Whether each step after the first takes exactly one token."""
        return False

    @property
    def past_axis(self) -> str:
        """The number of earlier tokens, before those of `STEP_AXIS`."""
        return f"past_{self.STEP_AXIS}"

    @property
    def prompt_inputs(self) -> tuple[str, ...]:
        """The inputs that generation starts with; it makes the other inputs of a step itself."""
        return tuple(n for n in self.inputs if not is_past(n) and n != "position_ids")

    def least_prompt(self, feed: Mapping[str, Any]) -> int:
        """Return the smallest number of tokens of a feed that generation can start with."""
        return 1

    def generation_inputs(self, prompt: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return inputs that only `generate()` takes, computed from the prompt."""
        return {}

    def from_generation(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """Return what the file takes of an argument that `generate()` gives to the model."""
        return tensor

    @property
    def dummy_input_generator_classes(self) -> Iterable[type[SeededGenerator]]:
        """Where the values of the inputs come from, the first that supports a name being asked."""
        return self.DUMMY_INPUT_GENERATOR_CLASSES

    @property
    def call(self) -> PartCall:
        """What of the model is called, and how. By default the model, with the inputs by name."""
        return PartCall()

    @property
    def model_kwargs(self) -> Mapping[str, Any]:
        """Constant keywords of the forward call that is exported."""
        return {}

    def generate_dummy_inputs(self, *, seed: int = 0, **axis_sizes: int) -> dict[str, torch.Tensor]:
        """Return tensors for every input, in declared order; axes not given have their export size.

        `seed` decides the kind of the feed (`harness.configs.feeds.feed_kind`) and its values.
        Raises UsageError for an unknown axis or an impossible size, DescriptionError if no
        generator supports an input.
        """
        return DummyFeeds(self).draw(self.axis_space.complete(axis_sizes), seed=seed)

    def derived_sizes(self, feed: Mapping[str, Any]) -> dict[str, int]:
        """Return derived axis name -> its size in a feed of tensors or arrays."""
        shapes = {name: tuple(value.shape) for name, value in feed.items()}
        sizes = sizes_in(self.inputs, shapes)
        return {name: sizes[name] for name in self.DERIVED_AXES if name in sizes}

    def follow_masks(self, feed: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return a feed whose inputs follow from its masks as users derive them (positions)."""
        return DummyFeeds(self).follow_masks(feed, self.masks)

    def redraw(
        self,
        feed: Mapping[str, torch.Tensor],
        places: Mapping[str, torch.Tensor],
        *,
        seed: int,
    ) -> dict[str, torch.Tensor]:
        """`feed` with other values at `places`: input name -> booleans that broadcast to it."""
        return DummyFeeds(self).redraw(feed, places, seed=seed)

    def exchange(
        self,
        feed: Mapping[str, torch.Tensor],
        other: Mapping[str, torch.Tensor],
        name: str,
        *,
        seed: int,
    ) -> dict[str, torch.Tensor]:
        """`feed` with the values that one input has in another feed.

        An input that is tied to others is drawn again from the seed instead, so that ties stay.
        """
        return DummyFeeds(self).exchange(feed, other, name, seed=seed)

    def pad(
        self, feed: Mapping[str, torch.Tensor], places: Mapping[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """`feed` with what a preprocessor writes where it pads: padding ids, as far as known."""
        return DummyFeeds(self).pad(feed, places)

    def image_axes(self, name: str) -> tuple[int, ...]:
        """The axes of channels, height and width of an input; none unless it holds images."""
        classes = self.dummy_input_generator_classes
        return next((one.IMAGE_AXES for one in classes if one.supports_input(name)), ())

    def compose(self, feed: Feed, run: RunPart, ends: Sequence[int] | None = None) -> Feed:
        """What the parts compute together for a feed of the whole, as those who use them run them.

        `run(stem, feed)` runs one part; `ends` are the numbers of tokens after each step of a
        decoder, left to the description where None. Raises DescriptionError where nothing says how.
        """
        raise DescriptionError(f"{type(self).__name__}: compose() does not say how its parts meet")

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Rewrite the exporter's own copy of the model; semantics must stay as they are."""
        return model


class OnnxConfigWithPast(OnnxConfig):
    """A decoder that can take and return its key-value cache, as its `-with-past` tasks ask."""

    @property
    def use_past(self) -> bool:
        return self.task.endswith(WITH_PAST)

    @property
    def model_kwargs(self) -> Mapping[str, Any]:
        return {"use_cache": self.use_past}

    @property
    def key_axis(self) -> str:
        """The length of what a query can attend to."""
        return "past_sequence_length + sequence_length" if self.use_past else "sequence_length"

    def compose(self, feed: Feed, run: RunPart, ends: Sequence[int] | None = None) -> Feed:
        """Decode the first half of the tokens, then one after the other, or up to `ends`."""
        if ends is None:
            length = token_count(self, feed)
            ends = half_then_single(length) if self.use_past else (length,)
        return compose_steps(self, feed, run, ends)

    @property
    def outputs(self) -> NamedAxes:
        return OrderedDict({**super().outputs, **self.returned_cache})

    @property
    def cache_windows(self) -> Mapping[int, int]:
        """Layer -> the window of which alone it keeps keys and values, its own token included.

        By default every layer keeps all, and attention masks apply the windows.
        """
        return {}

    @property
    def cache(self) -> Sequence[CacheEntry]:
        """Keys and values of every layer, if the task has a cache."""
        layers = range(self.normalized_config.num_layers) if self.use_past else ()
        windows = self.cache_windows
        return tuple(
            entry
            for layer in layers
            for entry in own_keys_and_values(layer, self.past_axis, windows.get(layer))
        )

    @property
    def taken_cache(self) -> Mapping[str, Axes]:
        """The inputs that hold the cache of earlier tokens."""
        return {e.name: dict(e.axes) for e in self.cache} if self.use_past_in_inputs else {}

    @property
    def returned_cache(self) -> Mapping[str, Axes]:
        """The outputs that hold the cache. Lengths of the past have grown by this step."""
        return {
            entry.present: entry.grown(self.past_axis, self.key_axis)
            for entry in self.cache
            if not (self.use_past_in_inputs and entry.kind is CacheKind.CROSS)
        }
