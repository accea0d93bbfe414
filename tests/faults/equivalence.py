"""Proof that an edit does not change behaviour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness import OnnxConfig
from harness.evidence.session import open_session, run_session
from harness.judge.examples import draw_examples
from harness.judge.rounding import eager_rounding
from tests.faults.library import Bench, Fault

EXAMPLES = 60
SEED = 77
"""The judge does not draw examples from this seed."""


@dataclass(frozen=True, slots=True)
class Proof:
    """The largest difference to the correct files, and the allowed one: twice eager's rounding."""

    difference: float
    allowed: float

    @property
    def holds(self) -> bool:
        return self.difference <= self.allowed


def prove(fault: Fault, bench: Bench) -> Proof:
    """Compare outputs of the correct and the edited files on corners and drawn examples."""
    correct, config = bench.files(fault.subject), bench.config(fault.subject)
    with fault.case.candidate(bench, fault.subject) as edited:
        difference = max(
            _difference(correct / f"{stem}.onnx", edited.folder / f"{stem}.onnx", part)
            for stem, part in config.parts.items()
        )
    model = bench.model(fault.subject)
    rounding = eager_rounding(model, config, count=EXAMPLES, seed=SEED)
    return Proof(difference, 2 * rounding)


def _difference(correct: Path, edited: Path, config: OnnxConfig) -> float:
    return max(_differences(correct, edited, config))


def _differences(correct: Path, edited: Path, config: OnnxConfig) -> Iterator[float]:
    """Yield a difference per example and output; infinite for unequal shapes or NaN."""
    sessions = [open_session(path, optimised=True) for path in (correct, edited)]
    for example in draw_examples(config.axis_space, count=EXAMPLES, seed=SEED):
        tensors = config.generate_dummy_inputs(seed=example.seed, **example.axes)
        feed = {name: tensor.numpy() for name, tensor in tensors.items()}
        before, after = (run_session(session, feed) for session in sessions)
        for name in before:
            is_alike = before[name].shape == after[name].shape
            moved = np.abs(before[name] - after[name]).max(initial=0.0) if is_alike else np.inf
            yield float(np.nan_to_num(moved, nan=np.inf))
