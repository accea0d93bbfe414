"""A failure that does not repeat is blamed on a random file, and on no module."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from harness import CellReport, Outcome
from harness.evidence.sides import PartEvidence
from harness.requirements.shared.blame import NOT_DETERMINISTIC

CheckEdited = Callable[..., CellReport]
Arrays = Mapping[str, np.ndarray]


def reverse_biases(model: onnx.ModelProto) -> None:
    name = "layer.1.output.dense.bias"
    weight = next(tensor for tensor in model.graph.initializer if tensor.name.endswith(name))
    reverse = numpy_helper.to_array(weight)[::-1].copy()
    weight.CopyFrom(numpy_helper.from_array(reverse, weight.name))


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
    report = check_edited(reverse_biases, requirements=["agreement"], profile="smoke")
    (record,) = report.records
    assert record.outcome is Outcome.FAILED
    assert record.blame == NOT_DETERMINISTIC.layer
    assert NOT_DETERMINISTIC.reason in record.message.splitlines()
