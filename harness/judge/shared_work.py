"""Traces and facts that several cells share; pass one `SharedWork` to each `judge_cell` call."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.evidence.facts import SharedFacts
from harness.exporters._sharing import SharedTraces


@dataclass(frozen=True, slots=True)
class SharedWork:
    """Caches that several cells share: torch.export traces, and facts about the eager model.

    A cached value is used only if the model is the same to the byte. Not thread-safe.
    """

    traces: SharedTraces = field(default_factory=SharedTraces)
    facts: SharedFacts = field(default_factory=SharedFacts)
