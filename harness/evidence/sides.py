"""Outputs of reference and candidate for the same feed: for one file, or all files of a cell."""

from __future__ import annotations

import contextlib
import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.configs.feeds import is_ordinary
from harness.errors import one_line
from harness.evidence.eager_part import EagerPart
from harness.evidence.execution import PLAIN
from harness.evidence.own_past import tokens_before, with_own_past
from harness.evidence.reference import Arrays, EagerError
from harness.evidence.session import CandidateError

if TYPE_CHECKING:
    import numpy as np
    import onnx
    import torch

    from harness.configs.base import OnnxConfig
    from harness.configs.feeds import Feed, RunPart
    from harness.evidence.byte_cache import Value
    from harness.evidence.example import Example
    from harness.evidence.execution import Execution
    from harness.evidence.session import Run
    from harness.evidence.subject import Subject


class Sides(ABC):
    """Outputs of eager PyTorch and of the files for the same feed, each computed once.

    `subject` is what all sides of a cell share; its `execution` runs the files. `stem` names the
    files, `eager` calls eager PyTorch.
    """

    def __init__(self, subject: Subject, stem: str, config: OnnxConfig) -> None:
        self.subject = subject
        self.stem = stem
        self.config = config
        self.eager = EagerPart(subject.copies, config)
        self._kept: dict[Hashable, Any] = {}
        self._axes = frozenset(config.axis_space.ranges)

    def feed(self, example: Example) -> dict[str, torch.Tensor]:
        """Return input name -> tensor. Axes of the example that this side lacks are ignored."""
        known = self.fact(("feed", example), lambda: self._drawn(example))
        return {name: tensor.clone() for name, tensor in known.items()}

    def _drawn(self, example: Example) -> dict[str, torch.Tensor]:
        axes = {name: size for name, size in example.sizes if name in self._axes}
        feed = self.config.generate_dummy_inputs(seed=example.seed, **axes)
        before = tokens_before(self.config, example) if is_ordinary(example.seed) else None
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
        return self.subject.facts.get((self.stem, *key), compute)

    def keep(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        """Return a value that depends on these files as run by this execution, computed once.

        A file that is not deterministic must not change its verdict when it is examined again.
        """
        if key not in self._kept:
            self._kept[key] = compute()
        kept: Value = self._kept[key]
        return kept

    def reference(self, example: Example) -> Arrays:
        """Return eager PyTorch's outputs, by name; raises EagerError if it refuses the feed."""
        return self.fact(("reference", example), lambda: self.eager(self.feed(example)))

    def candidate(self, example: Example) -> Arrays:
        """Return the files' outputs, by name; raises CandidateError if the runtime refuses them."""
        self.subject.facts.check_files_allowed()
        key = (self.stem, example)
        return self.subject.candidates.get(key, lambda: self.run(self._arrays(example)))

    def _arrays(self, example: Example) -> Arrays:
        return {name: tensor.numpy() for name, tensor in self.feed(example).items()}

    @abstractmethod
    def run(self, feed: Feed) -> Arrays:
        """Run the ONNX files on a feed; return output name -> array.

        Raises CandidateError if ONNX Runtime raises an error.
        """

    @property
    @abstractmethod
    def parts(self) -> Sequence[PartEvidence]:
        """The parts that are run."""

    @property
    @abstractmethod
    def is_whole(self) -> bool:
        """Whether these are all files of the cell."""

    @abstractmethod
    def under(self, execution: Execution) -> Sides:
        """Return evidence of the same files, run by another execution; no output is kept."""


class PartEvidence(Sides):
    """One ONNX file of a cell, and the part of the model that it represents."""

    def __init__(self, subject: Subject, stem: str, config: OnnxConfig) -> None:
        super().__init__(subject, stem, config)
        self.file = subject.files.parts[stem]
        self._sessions: dict[str, Run] = {}

    @property
    def parts(self) -> Sequence[PartEvidence]:
        return [self]

    @property
    def is_whole(self) -> bool:
        return len(self.subject.files.parts) == 1

    @property
    def path(self) -> Path:
        return self.file.path

    @property
    def model_proto(self) -> onnx.ModelProto:
        return self.file.model_proto

    def session(self) -> Run:
        """Return the file, ready to run; raises CandidateError if the runtime refuses it."""
        return self._session("first")

    def _session(self, name: str) -> Run:
        self.subject.facts.check_files_allowed()
        if name not in self._sessions:
            self.subject.open_sessions.add(self, name, size=self.file.size_on_disk())
            self._sessions[name] = self.subject.execution.open(self.file, self.eager)
        return self._sessions[name]

    def close(self, name: str) -> None:
        """Close a session; it is opened again when it is needed."""
        self._sessions.pop(name, None)

    def unequal_repeats(self, example: Example) -> list[tuple[str, str]]:
        """Return session and output of each repeated run whose bits differ from the first run.

        They are compared once. Raises CandidateError.
        """
        return self.keep(("unequal repeats", example), lambda: list(self._repeat(example)))

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
        return PartEvidence(self.subject.under(execution), self.stem, self.config)


def _bits(array: np.ndarray[Any, Any]) -> tuple[object, ...]:
    return array.shape, array.dtype, array.tobytes()


class TogetherEvidence(Sides):
    """All files of a cell, run one after the other as users do, and one call of the full model."""

    def __init__(self, subject: Subject, parts: Sequence[PartEvidence]) -> None:
        super().__init__(subject, " + ".join(part.stem for part in parts), subject.config)
        self._parts = parts

    @property
    def parts(self) -> Sequence[PartEvidence]:
        return self._parts

    @property
    def is_whole(self) -> bool:
        return True

    def run(self, feed: Feed) -> Arrays:
        parts = {part.stem: part for part in self._parts}

        def run_part(stem: str, part_feed: Feed) -> Arrays:
            return parts[stem].run(part_feed)

        return compose_parts(self.config, feed, run_part)

    def under(self, execution: Execution) -> TogetherEvidence:
        subject = self.subject.under(execution)
        parts = [PartEvidence(subject, part.stem, part.config) for part in self._parts]
        return TogetherEvidence(subject, parts)


def compose_parts(
    config: OnnxConfig, feed: Feed, run: RunPart, ends: Sequence[int] | None = None
) -> Arrays:
    """Return what the parts compute together; raises CandidateError if they do not fit."""
    try:
        return dict(config.compose(feed, run, ends))
    except ValueError as error:
        raise CandidateError(f"the parts do not fit together: {one_line(error)}") from error
