"""Cases of scripts over tiny models, one for each part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.configs.tasks import TasksManager
from harness.evidence.models import tiny_settings
from harness.records import CellId
from harness.repro.script import ScriptCase


def cases(architecture: str, task: str, **fields: Any) -> Iterator[ScriptCase]:
    """Yield one case for each part of a cell."""
    from transformers import AutoConfig

    settings = tiny_settings(architecture, task)
    constructor = TasksManager.get_exporter_config_constructor(
        "onnx", model_type=architecture, task=task
    )
    config = constructor(AutoConfig.for_model(**settings))
    values: dict[str, Any] = {
        "cell": CellId.parse(f"{architecture}/{task}/opset18/dynamo"),
        "requirement": "agreement",
        "model_class": TasksManager.get_model_class_for_task(task, architecture).__name__,
        "settings": settings,
        "perturbation": {"seed": 3, "matrix_std": 0.5, "vector_std": 0.25},
        "versions": {"torch": "2.0"},
    }
    for stem, part in config.parts.items():
        rows = {"batch_size": 2} if "batch_size" in part.axis_space.ranges else {}
        feed = part.generate_dummy_inputs(**rows)
        yield ScriptCase(part=stem, config=part, feed=feed, **{**values, **fields})
