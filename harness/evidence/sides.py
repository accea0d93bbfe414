"""Outputs of reference and candidate for the same feed: for one file, or all files of a cell."""

from __future__ import annotations

import contextlib
import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.configs.feeds import is_ordinary
from harness.errors import one_line
from harness.evidence.float64 import as_float32, float64_by_default
from harness.evidence.memory import out_of_memory
from harness.evidence.onnx_file import parse_onnx
from harness.evidence.own_past import tokens_before, with_own_past
from harness.evidence.reference import Arrays, call_reference, to_float64
from harness.evidence.session import PLAIN, CandidateError
from harness.evidence.tensors import external_data_problems

if TYPE_CHECKING:
    import numpy as np
    import onnx
    import torch
    from torch import nn

    from harness.configs.base import OnnxConfig
    from harness.configs.feeds import Feed
    from harness.evidence.byte_cache import Value
    from harness.evidence.evidence import Evidence
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
    """Eager PyTorch raised on inputs that the description of the architecture allows."""


class Sides(ABC):
    """Outputs of eager PyTorch and of the files for the same feed, each computed once.

    `owner` is the cell's evidence; its `execution` runs the files. `stem` names the files.
    """

    def __init__(self, owner: Evidence, stem: str, config: OnnxConfig) -> None:
        self.owner = owner
        self.stem = stem
        self.config = config
        self._axes = frozenset(config.axis_space.ranges)

    def feed(self, example: Example) -> dict[str, torch.Tensor]:
        """Return input name -> tensor. Axes of the example that this side lacks are ignored."""
        known = self.fact(("feed", example), lambda: self._drawn(example))
        return {name: tensor.clone() for name, tensor in known.items()}

    def _drawn(self, example: Example) -> dict[str, torch.Tensor]:
        axes = {name: size for name, size in example.sizes if name in self._axes}
        feed = self.config.generate_dummy_inputs(seed=example.seed, **axes)
        before = tokens_before(self, example) if is_ordinary(example.seed) else None
        if before is None:
            return feed
        with contextlib.suppress(EagerError):  # the example itself shows what eager refuses
            prompt = self.config.generate_dummy_inputs(seed=example.seed, **before)
            return with_own_past(feed, self.eager(prompt))
        return feed

    def fact(self, key: tuple[Hashable, ...], compute: Callable[[], Value]) -> Value:
        """Return a value that depends on the model, the description and `key` alone.

        It is computed once for all cells of a task. Raises HarnessError if `compute` accesses a
        file.
        """
        return self.owner.facts.get((self.stem, *key), compute)

    def reference(self, example: Example) -> Arrays:
        """Return eager PyTorch's outputs, by name; raises EagerError if it refuses the feed."""
        return self.fact(("reference", example), lambda: self.eager(self.feed(example)))

    def eager(self, feed: Mapping[str, torch.Tensor], *, model: nn.Module | None = None) -> Arrays:
        """Call eager PyTorch, or another `model`, and return its outputs; nothing is cached.

        Raises EagerError if the call raises, and OutOfMemoryError if memory runs out.
        """
        try:
            return call_reference(model or self.owner.model, self.config, feed)
        except Exception as error:
            refusal = EagerError(f"{type(error).__name__}: {one_line(error)}")
            raise out_of_memory(error) or refusal from error

    def eager_float64(self, feed: Mapping[str, torch.Tensor]) -> Arrays:
        """Call eager PyTorch in float64, with the feed in float64 too; raises EagerError."""
        with float64_by_default():
            return self.eager(to_float64(feed), model=self.owner.float64_model)

    def candidate(self, example: Example) -> Arrays:
        """Return the files' outputs, by name; raises CandidateError if the runtime refuses them."""
        self.owner.facts.check_files_allowed()
        key = (self.stem, example)
        return self.owner.candidates.get(key, lambda: self.run(self._arrays(example)))

    def _arrays(self, example: Example) -> Arrays:
        return {name: tensor.numpy() for name, tensor in self.feed(example).items()}

    @abstractmethod
    def run(self, feed: Feed) -> Arrays:
        """Run the ONNX files on a feed; return output name -> array.

        Raises CandidateError if ONNX Runtime raises an error.
        """

    @abstractmethod
    def under(self, execution: Execution) -> Sides:
        """Return evidence of the same files, run by another execution; no output is kept."""


class PartEvidence(Sides):
    """One ONNX file of a cell, and the part of the model that it represents."""

    def __init__(self, owner: Evidence, stem: str, config: OnnxConfig) -> None:
        super().__init__(owner, stem, config)
        self._sessions: dict[str, Run] = {}
        self._unequal_repeats: dict[Example, list[tuple[str, str]]] = {}

    @property
    def path(self) -> Path:
        return self.owner.files[self.stem]

    @functools.cached_property
    def model_proto(self) -> onnx.ModelProto:
        """The parsed file, without its external data."""
        return parse_onnx(self.path)

    @functools.cached_property
    def external_data_problems(self) -> list[str]:
        """Reasons why the file's external data must not, or cannot, be loaded."""
        return external_data_problems(self.model_proto, self.path.parent)

    def loadable_path(self) -> Path:
        """Return the path of the file.

        Raises CandidateError if its external data lies outside the file's folder or cannot be read:
        not every version of the runtime refuses to read outside the folder.
        """
        if self.external_data_problems:
            raise CandidateError(self.external_data_problems[0])
        return self.path

    def session(self) -> Run:
        """Return the file, ready to run; raises CandidateError if the runtime refuses it."""
        return self._session("first")

    def _session(self, name: str) -> Run:
        self.owner.facts.check_files_allowed()
        if name not in self._sessions:
            self.owner.open_sessions.add(self, name)
            self._sessions[name] = self.owner.execution.open(self)
        return self._sessions[name]

    def close(self, name: str) -> None:
        """Close a session; it is opened again when it is needed."""
        self._sessions.pop(name, None)

    def unequal_repeats(self, example: Example) -> list[tuple[str, str]]:
        """Return session and output of each repeated run whose bits differ from the first run.

        They are compared once, so that a non-deterministic file cannot change its verdict later.
        Raises CandidateError.
        """
        if example not in self._unequal_repeats:
            self._unequal_repeats[example] = list(self._repeat(example))
        return self._unequal_repeats[example]

    def _repeat(self, example: Example) -> Iterator[tuple[str, str]]:
        first, feed = self.candidate(example), self._arrays(example)
        runs = {"the same session": self.run, "a second session": self._session("second")}
        for session, run in runs.items():
            again = run(feed)
            yield from ((session, n) for n in first if _bits(first[n]) != _bits(again[n]))

    def run(self, feed: Feed) -> Arrays:
        return self.session()(feed)

    @functools.cached_property
    def plain(self) -> PartEvidence:
        """Evidence of this file, run without ONNX Runtime's optimisations (ORT_DISABLE_ALL)."""
        return self.under(PLAIN)

    def under(self, execution: Execution) -> PartEvidence:
        parts = self.owner.under(execution).parts
        return next(part for part in parts if part.stem == self.stem)


def _bits(array: np.ndarray[Any, Any]) -> tuple[object, ...]:
    return array.shape, array.dtype, array.tobytes()


def _as_candidate(compute: Callable[[dict[str, torch.Tensor]], Arrays]) -> Run:
    """Return a run of eager PyTorch in place of a file; its EagerError becomes CandidateError."""

    def run(feed: Feed) -> Arrays:
        try:
            return compute(as_tensors(feed))
        except EagerError as error:
            raise CandidateError(str(error)) from error

    return run


@dataclass(frozen=True, slots=True)
class Eager:
    """Runs eager PyTorch in place of the files. A failure that remains is the description's."""

    name: str = "eager PyTorch"

    def open(self, part: PartEvidence) -> Run:
        return _as_candidate(part.eager)


EAGER = Eager()


@dataclass(frozen=True, slots=True)
class Float64Eager:
    """Runs eager PyTorch in float64 in place of the files, and rounds its outputs to float32.

    The difference that remains is eager PyTorch's own rounding.
    """

    name: str = "eager PyTorch in float64"

    def open(self, part: PartEvidence) -> Run:
        def compute(feed: dict[str, torch.Tensor]) -> Arrays:
            wide = part.eager_float64(feed)
            return {n: as_float32(a) if a.dtype.kind == "f" else a for n, a in wide.items()}

        return _as_candidate(compute)


EAGER_FLOAT64 = Float64Eager()


@dataclass(frozen=True, slots=True)
class PerturbedEager:
    """Runs eager PyTorch in place of the files, with the last bit of each weight changed.

    If that moves the outputs much, no two ways to compute the model can agree closely.
    """

    seed: int
    name: str = "eager PyTorch with perturbed weights"

    def open(self, part: PartEvidence) -> Run:
        return _as_candidate(
            lambda feed: part.eager(feed, model=part.owner.perturbed_model(self.seed))
        )


class TogetherEvidence(Sides):
    """All files of a cell, run one after the other as users do, and one call of the full model."""

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
    """Return a feed of arrays as torch tensors."""
    import torch

    return {name: torch.from_numpy(array) for name, array in feed.items()}
