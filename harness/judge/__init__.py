"""LADDER: draws examples, runs the requirements in order, shrinks, blames, makes records.

`judge_cell` judges one of our exports; `check` and `export_and_check` judge files.
"""

from __future__ import annotations

from harness.judge.cell import judge_cell
from harness.judge.files import check, export_and_check
from harness.judge.validation import validate_model_outputs
from harness.judge.warm_up import warm_up

__all__ = ["check", "export_and_check", "judge_cell", "validate_model_outputs", "warm_up"]
