"""Small experiments for tests: functions of tensors, and feeds of registered descriptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from harness.inference.comparison.described_feed import DescribedFeed
from harness.inference.experiments.axes import infer_axes
from harness.inference.experiments.experiment import Experiment
from harness.inference.experiments.inferred_axes import InferredAxes
from harness.inference.experiments.landmarks import read_landmarks


@dataclass(frozen=True, slots=True)
class FewAxes:
    axes: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class NoiseFeed:
    """Feeds of noise, of any sizes."""

    inputs: Mapping[str, FewAxes]
    export_sizes: Mapping[str, int]

    def draw(self, sizes: Mapping[str, int], *, seed: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return {
            name: torch.randn(
                [sizes[axis] if isinstance(axis, str) else axis for axis in one.axes],
                generator=generator,
            )
            for name, one in self.inputs.items()
        }


def experiment_on(function: Callable[..., Any], **axes: Mapping[str, int] | Any) -> Experiment:
    """Return an experiment on a function of tensors; `name={label: first size}` for each input."""
    inputs = {name: FewAxes(tuple(sizes)) for name, sizes in axes.items()}
    first = {label: size for sizes in axes.values() for label, size in sizes.items()}
    return Experiment(call=lambda feed: {"output": function(**feed)}, feed=NoiseFeed(inputs, first))


def axes_of(subject: Any, call: Any) -> tuple[InferredAxes, DescribedFeed]:
    """Infer the axes of a description's inputs for a call of its model."""
    feed = DescribedFeed(subject.config)
    landmarks = read_landmarks(subject.config.config.to_dict())
    return infer_axes(Experiment(call=call, feed=feed), landmarks), feed


def tied(axes: InferredAxes) -> list[set[str]]:
    """Return the groups of labels that have one size, followers of one axis included."""
    groups = [set(axis.labels) for axis in axes.axes if axis.is_free]
    for label, text in axes.followers.items():
        for axis, group in zip([a for a in axes.axes if a.is_free], groups, strict=True):
            if text.text == axis.name:
                group.add(label)
    return groups
