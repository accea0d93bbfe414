"""A failure that does not repeat is blamed on a random file, and on no module."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch

from harness import CellReport, Outcome
from harness.evidence.sides import PartEvidence
from harness.requirements.shared.blame import NOT_DETERMINISTIC
from tests.requirements.changed_weights import change_weight

CheckEdited = Callable[..., CellReport]
Arrays = Mapping[str, np.ndarray]


def test_no_module_is_named_if_a_second_run_agrees(
    check_edited: CheckEdited, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The values of the wrong module are in this file, but only the first run shows its outputs."""
    run, runs = PartEvidence.run, iter(["first"])

    def run_wrongly_once(part: PartEvidence, feed: Arrays) -> Arrays:
        outputs = run(part, feed)
        if next(runs, None):
            return outputs
        return part.eager({name: torch.from_numpy(array) for name, array in feed.items()})

    monkeypatch.setattr(PartEvidence, "run", run_wrongly_once)
    report = check_edited(change_weight, requirements=["agreement"], profile="smoke")
    (record,) = report.records
    assert record.outcome is Outcome.FAILED
    assert record.blame == NOT_DETERMINISTIC.layer
    assert NOT_DETERMINISTIC.reason in record.message.splitlines()
