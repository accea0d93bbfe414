"""Functions of generated scripts that make a model to export, if it is changed for that.

Like `harness.repro.standalone`, nothing else here may import the harness. Eager PyTorch runs
another model, which `make_model` made and nothing changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.repro.standalone import make_model, part_of

CHANGES: list[Callable[[Any], Any]]


def make_changed_model() -> Any:
    """Return another model with the same weights, with the changes for the export."""
    model = make_model()
    for change in CHANGES:
        model = change(model)
    return model


def make_changed_part() -> Any:
    """Return the module that MODULE names, of a model with the changes for the export."""
    return part_of(make_changed_model())
