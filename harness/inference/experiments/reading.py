"""Finds inputs that eager accepts at any size, and how much of them it reads.

transformers cuts a mask that is too long, and extends one that is too short. The size that such an
input should have is the number of places that a change of values shows to be read.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.configs.axes import AxisSizes
from harness.inference.experiments.experiment import BudgetError, Experiment

if TYPE_CHECKING:
    import torch

Outputs = Mapping[str, "torch.Tensor"]
_MORE = 64


class Reaction(enum.Enum):
    """What eager does if one input is longer than the others say."""

    REFUSED = "refused"
    UNCHANGED = "unchanged"
    CHANGED = "changed"


def loose_labels(experiment: Experiment) -> dict[str, int]:
    """Return the labels that may have any larger size, which changes nothing, with such a size.

    Inputs that are drawn at this size must run as well, and state nothing else: the sizes of images
    that a feed states grow with the images, but not with their repeated values.
    """
    try:
        feed = experiment.draw({})
        before = experiment.outputs(feed)
        stated = _stated(experiment, feed)
    except BudgetError:
        raise
    except Exception:
        return {}
    larger = {label: 2 * experiment.base[label] + _MORE for label in experiment.labels}
    return {
        label: size
        for label, size in larger.items()
        if _reaction(experiment, feed, before, label, size) is Reaction.UNCHANGED
        and experiment.runs({label: size})
        and not _restates(experiment, stated, label, size)
    }


def _stated(experiment: Experiment, feed: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """Return the inputs whose values are the same for all seeds, such as sizes of images."""
    other = experiment.draw({}, seed=1)
    return {name: tensor for name, tensor in feed.items() if tensor.equal(other[name])}


def _restates(
    experiment: Experiment, stated: Mapping[str, torch.Tensor], label: str, size: int
) -> bool:
    """Whether inputs without a label have other values if it has another size."""
    own = {name for name, _ in experiment.places.get(label, ())}
    drawn = experiment.draw({label: size})
    return any(not drawn[name].equal(tensor) for name, tensor in stated.items() if name not in own)


def _reaction(
    experiment: Experiment,
    feed: Mapping[str, torch.Tensor],
    before: Outputs,
    label: str,
    size: int,
) -> Reaction:
    """Repeat the values of the inputs along a label up to this size, and call eager."""
    changed = dict(feed)
    places = experiment.places.get(label, ())
    for name, axis in places:
        changed[name] = repeated(changed[name], axis, size)
    after = _try(experiment, changed) if places else None
    if after is None:
        return Reaction.REFUSED
    return Reaction.UNCHANGED if same_outputs(before, after) else Reaction.CHANGED


class Reader:
    """Finds how much of an input eager reads along a label, at given sizes.

    The input should be longer than what is read.
    """

    def __init__(self, experiment: Experiment, moves: AxisSizes, label: str) -> None:
        """Raises what eager raises if it refuses these sizes."""
        self.experiment = experiment
        ((self.name, self.axis), *_) = experiment.places[label]
        self.feed = experiment.draw(moves)
        self.before = experiment.outputs(self.feed)

    def length(self) -> int:
        """Return the number of places, from the first one on, that eager reads."""
        read, unread = 0, int(self.feed[self.name].shape[self.axis])
        while unread - read > 1:
            middle = (read + unread) // 2
            if self._reads_from(middle):
                read = middle
            else:
                unread = middle
        return unread if read or self._reads_from(0) else 0

    def is_length(self, length: int) -> bool:
        """Whether eager reads exactly so many places; cheaper than `length`."""
        return length > 0 and not self._reads_from(length) and self._reads_from(length - 1)

    def _reads_from(self, start: int) -> bool:
        """Whether eager reads a place with this index or a larger one."""
        changed = changed_from(self.feed[self.name], self.axis, start)
        after = _try(self.experiment, {**self.feed, self.name: changed})
        return after is None or not same_outputs(self.before, after)


def repeated(tensor: torch.Tensor, axis: int, size: int) -> torch.Tensor:
    """Return a tensor cut, or repeated from its start, to a size along an axis."""
    import torch

    return tensor.index_select(axis, torch.arange(size) % tensor.shape[axis])


def changed_from(tensor: torch.Tensor, axis: int, start: int) -> torch.Tensor:
    """Return a tensor with other values from an index of an axis on: 0 for 1 and 1 for 0."""
    import torch

    if tensor.dtype == torch.bool:
        other = ~tensor
    else:
        other = 1 - tensor if tensor.is_floating_point() else (1 - tensor).abs()
    shape = [1] * tensor.ndim
    shape[axis] = -1
    places = torch.arange(tensor.shape[axis]) >= start
    return torch.where(places.reshape(shape), other, tensor)


def same_outputs(one: Outputs, other: Outputs) -> bool:
    """Whether both have the same outputs, up to rounding."""
    import torch

    return one.keys() == other.keys() and all(
        one[name].shape == other[name].shape
        and torch.allclose(one[name], other[name], rtol=1e-5, atol=1e-6, equal_nan=True)
        for name in one
    )


def _try(experiment: Experiment, feed: Mapping[str, torch.Tensor]) -> Outputs | None:
    try:
        return experiment.outputs(feed)
    except BudgetError:
        raise
    except Exception:
        return None
