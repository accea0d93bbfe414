"""The dummy feeds of a description, put together from its generators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from harness.configs.axes import AxisExpression, AxisSizes, shape_problems
from harness.configs.dummy_inputs import DummyInputGenerator, TensorByTensor
from harness.configs.feed_generators import (
    Dims,
    FeedGenerator,
    FeedRequest,
    SeededGenerator,
    Tensors,
)
from harness.configs.feeds import FeedKind, feed_kind, reach_number
from harness.configs.task_table import Axes
from harness.errors import DescriptionError

if TYPE_CHECKING:
    import torch

    from harness.configs.normalized_config import NormalizedConfig

Sources = Iterator[tuple[FeedGenerator, Sequence[str]]]


class Described(Protocol):
    """The statements of a description that its feeds follow from."""

    @property
    def task(self) -> str: ...

    @property
    def normalized_config(self) -> NormalizedConfig: ...

    @property
    def inputs(self) -> Mapping[str, Axes]: ...

    @property
    def fixed_sizes(self) -> Mapping[str, Dims]: ...

    @property
    def past_axis(self) -> str: ...

    @property
    def dummy_input_generator_classes(self) -> Iterable[type[SeededGenerator]]: ...


class DummyFeeds:
    """Draws and changes the feeds of one description."""

    def __init__(self, config: Described) -> None:
        self._config = config

    def draw(self, sizes: AxisSizes, *, seed: int) -> dict[str, torch.Tensor]:
        """Return a tensor for each input. `sizes` has all axes that the values do not decide.

        The seed decides the kind of the feed and its values. Raises DescriptionError if a generator
        is missing, or gives other sizes than the inputs have.
        """
        import torch

        feed: dict[str, torch.Tensor] = {}
        for source, names in self._sources(
            self._config.inputs, torch.Generator().manual_seed(seed)
        ):
            request = FeedRequest(
                dims={name: self._dims(name, sizes) for name in names},
                sizes=sizes,
                past=sizes.get(self._config.past_axis, 0),
                bound=reach_number(seed),
            )
            match feed_kind(seed):
                case FeedKind.PROVOKING:
                    feed |= source.draw(request)
                case FeedKind.ORDINARY:
                    feed |= source.ordinary(request)
                case FeedKind.REACHING:
                    feed |= source.reaching(request)
        self._require_declared(feed, sizes)
        return {name: feed[name] for name in self._config.inputs}

    def _dims(self, name: str, sizes: AxisSizes) -> dict[int, int]:
        """Return the sizes of an input that do not depend on values."""
        parsed = {a: AxisExpression.parse(t) for a, t in self._config.inputs[name].items()}
        known = {
            a: one.evaluate(sizes) for a, one in parsed.items() if set(one.names) <= set(sizes)
        }
        return {**self._config.fixed_sizes.get(name, {}), **known}

    def _require_declared(self, feed: Tensors, sizes: AxisSizes) -> None:
        described = type(self._config).__name__
        for name in (name for name in self._config.inputs if name not in feed):
            raise DescriptionError(f"{described}: its generator gives no dummy input {name!r}")
        shapes = {name: tuple(tensor.shape) for name, tensor in feed.items()}
        known = {**sizes_in(self._config.inputs, shapes), **sizes}
        for problem in shape_problems(self._config.inputs, shapes, known):
            raise DescriptionError(f"{described}: dummy input has another {problem}")

    def follow_masks(self, feed: Tensors, masks: Sequence[str]) -> dict[str, torch.Tensor]:
        """Return a feed whose inputs follow from its masks as users derive them (positions)."""
        import torch

        other, shown = dict(feed), {name: feed[name] for name in masks}
        for source, names in self._sources(feed, torch.Generator()):
            other |= source.follow_masks({name: feed[name] for name in names}, shown)
        return other

    def redraw(self, feed: Tensors, places: Tensors, *, seed: int) -> dict[str, torch.Tensor]:
        """Return `feed` with other values at `places`: input -> booleans that broadcast to it."""
        import torch

        other = dict(feed)
        shapes = {name: tuple(tensor.shape) for name, tensor in feed.items()}
        sizes = sizes_in(self._config.inputs, shapes)
        for source, names in self._sources(places, torch.Generator().manual_seed(seed)):
            request = FeedRequest(
                dims={name: self._dims_in(feed[name], name) for name in names},
                sizes=sizes,
                past=sizes.get(self._config.past_axis, 0),
            )
            own = {name: feed[name] for name in names}
            other |= source.redraw(own, {n: places[n] for n in names if n in places}, request)
        return other

    def exchange(
        self, feed: Tensors, other: Tensors, name: str, *, seed: int
    ) -> dict[str, torch.Tensor]:
        """Return `feed` with the values that one input has in `other`.

        An input that is tied to others is drawn again from the seed instead.
        """
        import torch

        if not issubclass(self._class_for(name), FeedGenerator):
            return {**feed, name: other[name]}
        everywhere = torch.ones((), dtype=torch.bool)
        return self.redraw(feed, {name: everywhere.expand(feed[name].shape)}, seed=seed)

    def _dims_in(self, tensor: torch.Tensor, name: str) -> dict[int, int]:
        known = {*self._config.inputs[name], *self._config.fixed_sizes.get(name, {})}
        return {axis: tensor.shape[axis] for axis in known}

    def pad(self, feed: Tensors, places: Tensors) -> dict[str, torch.Tensor]:
        """Return `feed` with what a preprocessor writes where it pads, as far as it is known."""
        import torch

        other = dict(feed)
        for source, names in self._sources(places, torch.Generator()):
            own = {name: feed[name] for name in names}
            other |= source.pad(own, {name: places[name] for name in names if name in places})
        return other

    def _sources(self, names: Iterable[str], generator: torch.Generator) -> Sources:
        """Yield the generators of these inputs, in the order of the names.

        A generator of whole feeds comes once, with all inputs of the description that it supports.
        """
        done: set[str] = set()
        for name in names:
            if name in done:
                continue
            found = self._class_for(name)(
                self._config.task, self._config.normalized_config, generator
            )
            match found:
                case FeedGenerator():
                    own = [n for n in self._config.inputs if self._class_for(n) is type(found)]
                    done.update(own)
                    yield found, own
                case DummyInputGenerator():
                    yield TensorByTensor(found), (name,)

    def _class_for(self, name: str) -> type[SeededGenerator]:
        for candidate in self._config.dummy_input_generator_classes:
            if candidate.supports_input(name):
                return candidate
        raise DescriptionError(
            f"{type(self._config).__name__}: no dummy input generator supports {name!r}; "
            "add one to DUMMY_INPUT_GENERATOR_CLASSES"
        )


def sizes_in(inputs: Mapping[str, Axes], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Return axis name -> size, of the axes of inputs that are names.

    A name that stands in sums alone has the size that is left of one with known terms.
    """
    found = [
        (AxisExpression.parse(text), shapes[name][axis])
        for name, axes in inputs.items()
        for axis, text in axes.items()
        if axis < len(shapes[name])
    ]
    sizes = {one.text: size for one, size in found if one.is_plain}
    for one, size in found:
        missing = [name for name in one.names if name not in sizes]
        if len(missing) == 1 and one.is_sum:
            sizes[missing[0]] = size - one.evaluate({**sizes, missing[0]: 0})
    return sizes
