"""Executions that run eager PyTorch in place of the files, to find the cause of a failure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.evidence.float64 import as_float32
from harness.evidence.reference import EagerError, as_tensors
from harness.evidence.session import CandidateError

if TYPE_CHECKING:
    import torch

    from harness.configs.feeds import Feed
    from harness.evidence.eager_part import EagerPart
    from harness.evidence.part_file import PartFile
    from harness.evidence.reference import Arrays
    from harness.evidence.session import Run


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

    def open(self, file: PartFile, eager: EagerPart) -> Run:
        return _as_candidate(eager)


EAGER = Eager()


@dataclass(frozen=True, slots=True)
class Float64Eager:
    """Runs eager PyTorch in float64 in place of the files, and rounds its outputs to float32.

    The difference that remains is eager PyTorch's own rounding.
    """

    name: str = "eager PyTorch in float64"

    def open(self, file: PartFile, eager: EagerPart) -> Run:
        def compute(feed: dict[str, torch.Tensor]) -> Arrays:
            wide = eager.in_float64(feed)
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

    def open(self, file: PartFile, eager: EagerPart) -> Run:
        return _as_candidate(lambda feed: eager(feed, model=eager.copies.perturbed(self.seed)))
