"""Reference and candidate side by side: of one file, and of all files of a cell run together."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import one_line
from harness.evidence.onnx_file import parse_onnx
from harness.evidence.reference import Arrays, call_reference, widened
from harness.evidence.session import PLAIN, CandidateError
from harness.evidence.tensors import external_data_problems

if TYPE_CHECKING:
    import onnx
    import torch
    from torch import nn

    from harness.configs.base import Feed, OnnxConfig
    from harness.evidence.evidence import Evidence
    from harness.evidence.facts import Value
    from harness.evidence.session import Execution, Run


@dataclass(frozen=True, slots=True)
class Example:
    """One drawn input: the sizes of its axes and the seed of its values."""

    sizes: tuple[tuple[str, int], ...]
    seed: int

    @classmethod
    def of(cls, sizes: dict[str, int], seed: int) -> Example:
        return cls(tuple(sorted(sizes.items())), seed)

    @property
    def axes(self) -> dict[str, int]:
        return dict(self.sizes)

    def __str__(self) -> str:
        sizes = ", ".join(f"{name}={size}" for name, size in self.sizes)
        return f"{sizes}, seed={self.seed}" if sizes else f"seed={self.seed}"


class EagerError(Exception):
    """Eager PyTorch refuses a feed that the description declares."""


class Sides(ABC):
    """What eager PyTorch and the files, as their owner runs them, give for the same feed, each
    computed once."""

    def __init__(self, owner: Evidence, stem: str, config: OnnxConfig) -> None:
        self.owner = owner
        self.stem = stem
        self.config = config
        self._axes = frozenset(config.axis_space.ranges)
        self._candidates: dict[Example, Arrays] = {}

    def feed(self, example: Example) -> dict[str, torch.Tensor]:
        """Input name -> tensor; of the example's axes, those that are declared here."""
        known = self.fact(("feed", example), lambda: self._drawn(example))
        return {name: tensor.clone() for name, tensor in known.items()}

    def _drawn(self, example: Example) -> dict[str, torch.Tensor]:
        axes = {name: size for name, size in example.sizes if name in self._axes}
        return self.config.generate_dummy_inputs(seed=example.seed, **axes)

    def fact(self, key: tuple[Hashable, ...], compute: Callable[[], Value]) -> Value:
        """What follows from the model, the description and a key that says what it is, computed
        once for all cells of a task; `compute` may not look at files."""
        return self.owner.facts.get((self.stem, *key), compute)

    def reference(self, example: Example) -> Arrays:
        """What eager PyTorch gives; raises EagerError where it refuses the feed."""
        return self.fact(("reference", example), lambda: self.eager(self.feed(example)))

    def eager(self, feed: Mapping[str, torch.Tensor], *, model: nn.Module | None = None) -> Arrays:
        """What eager PyTorch, or another `model`, gives for a feed when it is called now; raises
        EagerError."""
        try:
            return call_reference(model or self.owner.model, self.config, feed)
        except Exception as error:
            raise EagerError(f"{type(error).__name__}: {one_line(error)}") from error

    def exact(self, feed: Mapping[str, torch.Tensor]) -> Arrays:
        """What eager PyTorch gives in float64 for a feed, widened as well; raises EagerError."""
        return self.eager(widened(feed), model=self.owner.in_float64)

    def candidate(self, example: Example) -> Arrays:
        """What the files give, by output name; raises CandidateError where they are refused."""
        self.owner.facts.refuse_files()
        if example not in self._candidates:
            self._candidates[example] = self.run(self._arrays(example))
        return self._candidates[example]

    def _arrays(self, example: Example) -> Arrays:
        return {name: tensor.numpy() for name, tensor in self.feed(example).items()}

    @abstractmethod
    def run(self, feed: Feed) -> Arrays:
        """Output name -> array for a feed; raises CandidateError where it is refused."""

    @abstractmethod
    def under(self, execution: Execution) -> Sides:
        """The same, with its files run in another way, and nothing of it computed yet."""


class PartEvidence(Sides):
    """One ONNX file of a cell beside the reference's own module."""

    def __init__(self, owner: Evidence, stem: str, config: OnnxConfig) -> None:
        super().__init__(owner, stem, config)
        self._sessions: dict[str, Run] = {}
        self._repeats: dict[Example, tuple[Arrays, Arrays]] = {}

    @property
    def path(self) -> Path:
        return self.owner.files[self.stem]

    @functools.cached_property
    def model_proto(self) -> onnx.ModelProto:
        """The file without its external data."""
        return parse_onnx(self.path)

    @functools.cached_property
    def external_data_problems(self) -> list[str]:
        """Why its external data must not, or cannot, be loaded."""
        return external_data_problems(self.model_proto, self.path.parent)

    def loadable(self) -> Path:
        """Where the file lies. Raises CandidateError where loading it would read outside its
        folder: not every version of the runtime refuses to."""
        if self.external_data_problems:
            raise CandidateError(self.external_data_problems[0])
        return self.path

    def session(self) -> Run:
        """The file, ready to run; raises CandidateError."""
        return self._session("first")

    def _session(self, name: str) -> Run:
        self.owner.facts.refuse_files()
        if name not in self._sessions:
            self._sessions[name] = self.owner.execution.open(self)
        return self._sessions[name]

    def repeats(self, example: Example) -> tuple[Arrays, Arrays]:
        """What the session gives when it runs again, and what a second session gives.

        Kept as all outputs are: a file that rolls dice must not change a verdict by rolling again.
        Raises CandidateError.
        """
        if example not in self._repeats:
            feed = self._arrays(example)
            second = self._session("second")
            self._repeats[example] = self.run(feed), second(feed)
        return self._repeats[example]

    def run(self, feed: Feed) -> Arrays:
        return self.session()(feed)

    @functools.cached_property
    def plain(self) -> PartEvidence:
        """The same file at ORT_DISABLE_ALL."""
        return self.under(PLAIN)

    def under(self, execution: Execution) -> PartEvidence:
        parts = self.owner.under(execution).parts
        return next(part for part in parts if part.stem == self.stem)


def _standing_in(compute: Callable[[dict[str, torch.Tensor]], Arrays]) -> Run:
    """Eager PyTorch in place of a file: what it refuses is refused as a file would refuse it."""

    def run(feed: Feed) -> Arrays:
        try:
            return compute(as_tensors(feed))
        except EagerError as error:
            raise CandidateError(str(error)) from error

    return run


@dataclass(frozen=True, slots=True)
class Eager:
    """Eager PyTorch in place of the files: what disagrees with it then is the description."""

    name: str = "eager PyTorch"

    def open(self, part: PartEvidence) -> Run:
        return _standing_in(part.eager)


EAGER = Eager()


@dataclass(frozen=True, slots=True)
class ExactEager:
    """Eager PyTorch in float64 in place of the files, its outputs narrowed to float32: what
    disagrees with it then is eager PyTorch's own rounding."""

    name: str = "eager PyTorch in float64"

    def open(self, part: PartEvidence) -> Run:
        def compute(feed: dict[str, torch.Tensor]) -> Arrays:
            import numpy as np

            wide = part.exact(feed)
            return {n: a.astype(np.float32) if a.dtype.kind == "f" else a for n, a in wide.items()}

        return _standing_in(compute)


EXACT = ExactEager()


@dataclass(frozen=True, slots=True)
class Nudged:
    """Eager PyTorch in place of the files, its weights off by their last bit: where that matters,
    no two ways to compute the model agree."""

    seed: int
    name: str = "eager PyTorch with nudged weights"

    def open(self, part: PartEvidence) -> Run:
        # A copy of the model for each call, since many are asked once each.
        return _standing_in(lambda feed: part.eager(feed, model=part.owner.nudged(self.seed)))


class TogetherEvidence(Sides):
    """All files of a cell, run as their users run them, beside one call of the full model."""

    def __init__(self, owner: Evidence, parts: Mapping[str, PartEvidence]) -> None:
        super().__init__(owner, " + ".join(parts), owner.config)
        self._parts = parts

    def run(self, feed: Feed) -> Arrays:
        def run_part(stem: str, part_feed: Feed) -> Arrays:
            return self._parts[stem].run(part_feed)

        try:
            return dict(self.config.compose(feed, run_part))
        except ValueError as error:
            raise CandidateError(f"the parts do not fit together: {one_line(error)}") from error

    def under(self, execution: Execution) -> TogetherEvidence:
        together = self.owner.under(execution).together
        assert together is not None
        return together


def as_tensors(feed: Feed) -> dict[str, torch.Tensor]:
    """A feed as eager takes it."""
    import torch

    return {name: torch.from_numpy(array) for name, array in feed.items()}
