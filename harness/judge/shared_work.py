"""What the cells of a process have in common, given to each of them by whoever judges many."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.evidence.facts import SharedFacts
from harness.exporters._sharing import SharedTraces


@dataclass(frozen=True, slots=True)
class SharedWork:
    """Traces, for exporters that lower one for each opset, and facts of the reference, for all.

    Each is lent where the model is the same to the byte. Not for use by several threads at once.
    """

    traces: SharedTraces = field(default_factory=SharedTraces)
    facts: SharedFacts = field(default_factory=SharedFacts)
