"""Cells of models that read images: a wrong part is refused, and named."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from harness import CellId, Outcome
from harness.configs.architectures import qwen2_vl
from harness.judge.cell import judge_cell

CELL = CellId.parse("qwen2_vl/image-text-to-text/opset18/torchscript")
right_places = qwen2_vl._places


def _across_frames(grid: Any, patches: int, merge: int) -> tuple[torch.Tensor, torch.Tensor]:
    places, frames = right_places(grid, patches, merge)
    return places, torch.zeros_like(frames)


def _row_by_row(grid: Any, patches: int, merge: int) -> tuple[torch.Tensor, torch.Tensor]:
    places, frames = right_places(grid, patches, merge)
    return places.flip(1), frames


@pytest.mark.gate_cases(1)
@pytest.mark.parametrize("wrong", [_across_frames, _row_by_row])
def test_a_wrong_image_encoder_is_refused_by_agreement(
    wrong: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qwen2_vl, "_places", wrong)
    report = judge_cell(CELL, requirements=("export", "agreement"), profile="smoke")
    record = report.record("agreement")
    assert record.outcome is Outcome.FAILED
    assert record.part is not None
    assert record.part.startswith("vision_encoder")
