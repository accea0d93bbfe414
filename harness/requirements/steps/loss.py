"""`loss`: how far the file's values are from the original model's. Reported, not judged.

A wrong file can be nearer to the original than a right one of low precision, so these figures say
nothing about an exporter. They are judged only against a bound that the user states.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import AtolError
from harness.evidence.reference import EagerError
from harness.evidence.session import CandidateError
from harness.requirements.shared.requirement import Blame, Finding, Requirement

if TYPE_CHECKING:
    from harness.evidence.evidence import Evidence
    from harness.evidence.low_precision import LowPrecisionEvidence

Array = np.ndarray[Any, Any]

CHOOSES = "logits"
"""Outputs whose name ends so give a score to each of several choices along their last axis."""

NEAR_TIE = 1e-3
"""Difference of eager's two best scores, as a share of the spread of all, under which the choice
does not count."""


@dataclass(slots=True)
class Losses:
    """Losses of one output over all examples."""

    cosines: list[float] = field(default_factory=list)
    divergences: list[float] = field(default_factory=list)
    agreeing: int = 0
    choices: int = 0

    def add(self, name: str, reference: Array, candidate: Array) -> None:
        """Add one example."""
        first = reference.reshape(-1, reference.shape[-1]).astype(np.float64)
        second = candidate.reshape(first.shape).astype(np.float64)
        norms = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
        is_known = norms > 0
        self.cosines += list((first * second).sum(-1)[is_known] / norms[is_known])
        if name.endswith(CHOOSES) and first.shape[-1] > 1:
            self.divergences += list(_divergence(first, second))
            best = np.sort(first, axis=-1)
            is_clear = best[:, -1] - best[:, -2] > NEAR_TIE * first.std()
            self.choices += int(is_clear.sum())
            self.agreeing += int((first.argmax(-1) == second.argmax(-1))[is_clear].sum())

    @property
    def top1(self) -> float | None:
        """Share of choices that are eager's; None if the output chooses nothing."""
        return self.agreeing / self.choices if self.choices else None

    def __str__(self) -> str:
        text = f"least cosine {min(self.cosines, default=1.0):.6f}"
        if self.divergences:
            text += f", largest KL divergence {max(self.divergences):.3g}"
        if self.top1 is not None:
            text += f", top-1 agreement {self.top1:.4f} of {self.choices}"
        return text


def _divergence(first: Array, second: Array) -> Array:
    """Return the KL divergence of the file's choices from eager's, in nats, for each row."""

    def log_softmax(scores: Array) -> Array:
        shifted = scores - scores.max(-1, keepdims=True)
        result: Array = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
        return result

    expected, got = log_softmax(first), log_softmax(second)
    divergence: Array = (np.exp(expected) * (expected - got)).sum(-1)
    return divergence


def measure_losses(evidence: LowPrecisionEvidence) -> Mapping[str, Losses]:
    """Return the losses of each floating-point output, over the examples of the evidence."""
    found: dict[str, Losses] = {}
    for side in evidence.parts:
        prefix = f"{side.stem}: " if len(evidence.parts) > 1 else ""
        for example in evidence.examples:
            try:
                reference, candidate = side.reference(example), side.candidate(example)
            except (EagerError, CandidateError):
                continue  # `loads` reports it
            for name, values in reference.items():
                same = candidate.get(name)
                if same is None or values.dtype.kind != "f" or same.shape != values.shape:
                    continue
                if values.ndim and values.size and np.isfinite(values).all():
                    found.setdefault(f"{prefix}{name}", Losses()).add(name, values, same)
    return found


def examine(evidence: Evidence) -> Iterator[Finding]:
    """Yield the losses as notes, and a finding for each that is below the user's bound."""
    from harness.evidence.low_precision import LowPrecisionEvidence

    assert isinstance(evidence, LowPrecisionEvidence)
    for name, losses in measure_losses(evidence).items():
        yield Finding(message=f"{name}: {losses}", is_note=True)
        bound = evidence.min_top1
        if bound is not None and losses.top1 is not None and losses.top1 < bound:
            yield Finding(
                message=f"choices of {name}: got top-1 agreement {losses.top1:.4f} of "
                f"{losses.choices} choices, expected at least {bound:g}",
                blame=Blame("quantiser"),
                error=AtolError,
            )


REQUIREMENT = Requirement(
    id="loss",
    rank=5,
    proves="the choices are the original model's as often as the user's bound asks",
    fails_when="the share of equal choices is below the bound; without a bound, losses are "
    "reported and not judged",
    examine=examine,
)
