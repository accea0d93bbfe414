"""Model types without a description here: why they have none, and how to describe them.

A name that a configuration holds is no typing error, so no similar name is proposed for it.
"""

from __future__ import annotations

from harness.configs.plugins import fixture_directories
from harness.configs.transformers_mappings import LIBRARY, architectures_by_task, model_types
from harness.files import read_json
from harness.versions import installed_version

FILE = "left_out.json"
PAGE = "docs/left-out.md"
NOT_WRITTEN = "its description is not written yet"
BY_HAND = "in a module for --config-module, as CONTRIBUTING.md says"


def reasons_left_out() -> dict[str, str]:
    """Return architecture -> the reason why it is left out, for each that has a reason."""
    *_, own = fixture_directories()
    return {name: row["reason"] for row in read_json(own / FILE) for name in row["architectures"]}


def explain_unregistered(model_type: str) -> str:
    """Return one line for a model type without description: what it is, and what to do."""
    library = f"{LIBRARY} {installed_version(LIBRARY)}"
    if model_type not in model_types():
        return (
            f"model type {model_type!r} is not part of {library}; describe it {BY_HAND}, and load "
            "the code of its checkpoint with --trust-remote-code"
        )
    reason = reasons_left_out().get(model_type, NOT_WRITTEN)
    return (
        f"model type {model_type!r}: {library} has it, but it is not described here: {reason} "
        f"({PAGE}); describe it {_ways_to_describe(model_type)}"
    )


def _ways_to_describe(model_type: str) -> str:
    """Name `scaffold` only for types that it accepts: those with a model class for a task."""
    if any(model_type in members for members in architectures_by_task().values()):
        return f"with `python -m harness scaffold {model_type}`, or {BY_HAND}"
    return BY_HAND
