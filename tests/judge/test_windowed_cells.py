"""Cells of a model with an attention window, and an exporter that drops the window."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from torch import nn

from harness import CellId, LlamaOnnxConfig, Outcome, judge_cell, register, register_exporter
from harness.configs import plugins
from harness.evidence.models import read_tiny
from harness.exporters.torchscript import TorchScriptExporter
from harness.records import Record
from harness.requirements import requirement_ids

TASK = "text-generation-with-past"
WINDOW = 4


class WindowlessExporter(TorchScriptExporter):
    """Exports the model without its attention window: every layer attends to all keys."""

    name = "wrong-windowless"
    opsets = (18,)

    def prepare(self, model: nn.Module, opset: int) -> nn.Module:
        model.config.sliding_window = None
        return model


class WithoutCeilings(LlamaOnnxConfig):
    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        return {}


class WithoutBounds(WithoutCeilings):
    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        return {}


Windowed = Callable[..., None]


@pytest.fixture
def windowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Windowed:
    """Return a function that registers a mistral model with a given attention window.

    Its other settings are llama's, without the biases that mistral does not have.
    """

    def add(window: int, described: type[LlamaOnnxConfig] = LlamaOnnxConfig) -> None:
        tiny = read_tiny("llama")
        settings = {name: s for name, s in tiny["config"].items() if not name.endswith("_bias")}
        changed = {"model_type": "mistral", "sliding_window": window}
        settings |= {**changed, "max_position_embeddings": 256}
        (tmp_path / "models").mkdir()
        (tmp_path / "models/mistral.json").write_text(json.dumps({**tiny, "config": settings}))
        plugins.register_fixtures(tmp_path)
        register("mistral", tasks=[TASK])(described)

    monkeypatch.setattr(plugins, "_fixture_directories", [])
    register_exporter(WindowlessExporter())
    return add


def _agreement(exporter: str, axes: Mapping[str, int] | None = None) -> Record:
    """Return the record of `agreement`; assert that all requirements before it pass."""
    ladder = requirement_ids()
    planned = ladder[: ladder.index("agreement") + 1]
    cell = CellId.parse(f"mistral/{TASK}/opset18/{exporter}")
    report = judge_cell(cell, requirements=planned, profile="smoke", axes=axes)
    *others, agreement = report.records
    assert {record.outcome for record in others} == {Outcome.PASSED}
    return agreement


@pytest.mark.gate_cases(1)
@pytest.mark.parametrize("exporter", ["torchscript", "dynamo"])
def test_a_windowed_model_conforms(exporter: str, windowed: Windowed) -> None:
    windowed(WINDOW)
    agreement = _agreement(exporter)
    assert agreement.outcome is Outcome.PASSED, agreement.message
    totals = {WINDOW - 1, WINDOW, WINDOW + 1}
    assert totals <= set(agreement.covered["sequence_length"])
    assert {total - 1 for total in totals} <= set(agreement.covered["past_sequence_length"])


def test_a_lost_window_fails_agreement_from_the_first_length_above_it(windowed: Windowed) -> None:
    windowed(WINDOW)
    agreement = _agreement("wrong-windowless")
    assert agreement.outcome is Outcome.FAILED
    assert agreement.failing is not None
    axes = agreement.failing.axes
    assert axes["past_sequence_length"] + axes["sequence_length"] == WINDOW + 1
    at_window = {**axes, "past_sequence_length": 0, "sequence_length": WINDOW}
    assert _agreement("wrong-windowless", at_window).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("described", "outcome"),
    [(WithoutCeilings, Outcome.FAILED), (WithoutBounds, Outcome.PASSED)],
)
def test_a_window_beyond_the_usual_lengths_shows_by_its_landmark_alone(
    described: type[LlamaOnnxConfig], outcome: Outcome, windowed: Windowed
) -> None:
    windowed(130, described)
    assert _agreement("wrong-windowless").outcome is outcome
