"""Files of a tiny BERT in the forms in which people ship them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from harness import CellReport, check
from tests.low_precision.forms import FORMS

TASK = "text-classification"
Edit = Callable[[onnx.ModelProto], None]


def keep(model: onnx.ModelProto) -> None:
    """Edit nothing."""


@pytest.fixture
def judge(
    exported: Callable[..., Path], subject: Callable[..., Any], tmp_path: Path
) -> Callable[..., CellReport]:
    """Convert the correct float32 file and judge the result.

    `before` edits the float32 file, `after` the converted one.
    """

    def run(form: str, *, before: Edit = keep, after: Edit = keep, **options: Any) -> CellReport:
        bert = subject("bert", TASK)
        model = onnx.load(exported("bert", TASK))
        before(model)
        source, target = tmp_path / "float32.onnx", tmp_path / "made" / "model.onnx"
        target.parent.mkdir()
        onnx.save(model, source)
        feeds = [bert.config.generate_dummy_inputs(seed=seed) for seed in range(3)]
        arrays = [{name: tensor.numpy() for name, tensor in feed.items()} for feed in feeds]
        FORMS[form](source, target, arrays)
        converted = onnx.load(target)
        after(converted)
        onnx.save(converted, target)
        model = options.pop("model", bert.model)
        return check(target, model, TASK, profile="smoke", **options)

    return run


def step_outcomes(report: CellReport) -> dict[str, str]:
    """Return the outcome of each step; the twin's own records are not steps."""
    return {r.requirement: str(r.outcome) for r in report.records if "/" not in r.requirement}
