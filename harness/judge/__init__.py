"""Runs the requirements on a cell: draws examples, shrinks failures, makes records.

`judge_cell` exports a tiny model and judges the export. `check` judges given ONNX files, and
`export_and_check` exports a model folder first.
"""

from __future__ import annotations

from harness.judge.cell import judge_cell
from harness.judge.check_files import check, export_and_check
from harness.judge.validation import validate_model_outputs
from harness.judge.warm_up import warm_up

__all__ = ["check", "export_and_check", "judge_cell", "validate_model_outputs", "warm_up"]
