"""Configurations of real checkpoints conform, at their full windows and positions.

Everything that shapes a domain is the checkpoint's: positions, windows, layer types, rotary
parameters, buckets, types of tokens, images and frames. Widths, depth and vocabulary are tiny.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from transformers import AutoConfig

from harness import TasksManager
from harness.evidence.models import perturb
from harness.isolation.file_judge import judge_files
from harness.isolation.file_request import FileRequest
from harness.isolation.limits import GIB, Limits
from harness.records import CellReport, Outcome

CONFIGURATIONS: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("configurations.json").read_text(encoding="utf-8")
)
MEMORY = 4 * GIB
LONGEST_IN_FULL = 2048
EXAMPLES = 4
"""Drawn in addition to the corners, which visit all landmarks."""


def _save(name: str, folder: Path) -> str:
    """Save a model of this configuration whose outputs react to all inputs; return its task."""
    settings, task = dict(CONFIGURATIONS[name]["config"]), CONFIGURATIONS[name]["task"]
    torch.manual_seed(0)
    config = AutoConfig.for_model(settings.pop("model_type"), **settings)
    model: Any = TasksManager.get_model_class_for_task(task).from_config(config)
    perturb(model, seed=5, matrix_std=0.3, vector_std=0.3)
    model.save_pretrained(folder)
    return str(task)


def _judge(name: str, folder: Path) -> tuple[CellReport, int]:
    """Return the verdict on an export, and the largest memory of the child in bytes."""
    task = _save(name, folder / "model")
    request = FileRequest(
        place=str(folder / "onnx"),
        model=str(folder / "model"),
        task=task,
        memory=MEMORY,
        exporter="auto",
        max_examples=EXAMPLES,
    )
    peak = 0

    def measure() -> None:
        nonlocal peak
        for child in psutil.Process().children(recursive=True):
            try:
                peak = max(peak, child.memory_info().rss)
            except psutil.NoSuchProcess:
                continue

    limits = Limits(memory=MEMORY)
    report = judge_files(request, limits, on_progress=lambda _: None, on_tick=measure)
    return report, peak


def _mark(name: str) -> pytest.MarkDecorator:
    """A window of more than 2,048 tokens takes its whole budget of 4 minutes, and more."""
    settings = CONFIGURATIONS[name]["config"]
    is_wide = settings.get("max_position_embeddings", 0) > LONGEST_IN_FULL
    return pytest.mark.nightly if is_wide else pytest.mark.full


@pytest.mark.parametrize("name", [pytest.param(n, marks=_mark(n)) for n in CONFIGURATIONS])
def test_a_real_configuration_conforms_within_its_limits(name: str, tmp_path: Path) -> None:
    report, peak = _judge(name, tmp_path)
    found = {r.requirement: r.message for r in report.records if r.outcome is not Outcome.PASSED}
    assert report.conforms, found
    assert peak <= MEMORY
    assert report.reach
    short = {r.axis for r in report.reach if r.bound is not None and r.reached < r.bound}
    assert short <= {one.landmark for one in report.unreached}
    assert ("as far as" in report.verdict) == any(record.unreached for record in report.records)
