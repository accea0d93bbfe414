"""Merged decoders: one file with a branch for the first step and one for the steps after a past.

Optimum writes them, as an If node whose condition is an input of the file:
https://github.com/huggingface/optimum-onnx/blob/main/optimum/onnx/graph_transformations.py
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from harness.configs.dummy_feeds import sizes_in
from harness.errors import UsageError
from harness.evidence.session import CandidateError

if TYPE_CHECKING:
    from harness.configs.base import OnnxConfig
    from harness.configs.feeds import Feed
    from harness.evidence.reference import Arrays
    from harness.evidence.session import Run

A = TypeVar("A")

KEPT = 4
"""Number of sizes for which the values of unused inputs are kept: examples follow each other."""

USE_CACHE = "use_cache_branch"
"""The input that chooses the branch: true for the one that continues from a past."""

UNUSED_LENGTH = 1
"""Length of the past that the first branch gets and must not read. Optimum fed 1 for years and 0
since; with 0, a branch that reads it would not show."""


@dataclass(frozen=True, slots=True)
class MergedDecoder:
    """How one part is run in a merged decoder, which also holds another part.

    `own` describes the part and `other` the other one. They are the same description if one part
    stands for both branches, as in decoders without an encoder: then the past is empty or not.
    """

    own: OnnxConfig
    other: OnnxConfig

    @property
    def names_of_other(self) -> frozenset[str]:
        """The inputs and outputs that only the other part has, and the choice between both."""
        mine = {*self.own.inputs, *self.own.outputs}
        return frozenset({USE_CACHE, *self.other.inputs, *self.other.outputs} - mine)

    def without_others(self, values: Mapping[str, A]) -> dict[str, A]:
        """Return the inputs or outputs of the file that are not of the other part alone."""
        others = self.names_of_other
        return {name: value for name, value in values.items() if name not in others}

    def uses_cache(self, feed: Mapping[str, Any]) -> bool:
        """Whether a feed of the part is run by the branch that continues from a past."""
        if self.own is not self.other:
            return self.own.use_past_in_inputs
        lengths = (
            feed[entry.name].shape[axis]
            for entry in self.own.cache
            for axis, text in entry.axes.items()
            if text == self.own.past_axis and entry.name in feed
        )
        return next(lengths, 0) > 0

    def run_part(self, run: Run, inputs: Collection[str]) -> Run:
        """Return the run of the part, from the run of the whole file, which has these `inputs`."""
        import numpy as np

        draw = functools.lru_cache(maxsize=KEPT)(self._draw)

        def run_branch(feed: Feed) -> Arrays:
            choice = np.array([self.uses_cache(feed)])
            known = {**feed, **self._unused(feed, draw), USE_CACHE: choice}
            outputs = run({n: value for n, value in known.items() if n in inputs or n in feed})
            return self.without_others(outputs)

        return run_branch

    def _unused(self, feed: Feed, draw: Callable[..., Feed]) -> Feed:
        """Return values for the inputs that the chosen branch does not read, of the right shapes.

        They are drawn, so that a branch that reads them shows it.
        """
        past = {entry.name for entry in self.other.cache}
        unread = set(self.other.inputs) - set(self.own.inputs)
        if not self.uses_cache(feed):
            unread |= past & set(self.other.inputs)
        if not unread:
            return {}
        read = {n: axes for n, axes in self.own.inputs.items() if n in feed and n not in unread}
        known = sizes_in(read, {name: feed[name].shape for name in read})
        known[self.other.past_axis] = UNUSED_LENGTH
        axes = {text for name in unread for text in self.other.inputs[name].values()}
        drawn = draw(**{axis: known[axis] for axis in sorted(axes & set(known))})
        return {name: drawn[name] for name in unread}

    def _draw(self, **sizes: int) -> Feed:
        try:
            drawn = self.other.generate_dummy_inputs(**sizes)
        except UsageError as error:  # a wrong branch returned a cache of such sizes
            raise CandidateError(f"the past of a step: {error}") from error
        return {name: tensor.numpy() for name, tensor in drawn.items()}
