"""Faults of files, exporters, descriptions and runtimes; benign changes that must conform."""

from __future__ import annotations

from tests.faults.library import (
    benign,
    descriptions,
    edits_cache,
    edits_decoders,
    edits_encoders,
    edits_ends,
    edits_feeds,
    edits_interface,
    edits_seq2seq,
    edits_structure,
    edits_values,
    edits_vision,
    equivalents,
    exporters,
    runtime,
    vision,
)
from tests.faults.library.core import Benign, Family, Fault, first_refusal, judge_fault
from tests.faults.library.subjects import Bench, Subject

__all__ = [
    "BENIGN",
    "FAULTS",
    "Bench",
    "Benign",
    "Family",
    "Fault",
    "Subject",
    "first_refusal",
    "judge_fault",
]

FAULTS: tuple[Fault, ...] = (
    *edits_structure.FAULTS,
    *edits_interface.FAULTS,
    *edits_encoders.FAULTS,
    *edits_values.FAULTS,
    *edits_decoders.FAULTS,
    *edits_cache.FAULTS,
    *edits_seq2seq.FAULTS,
    *edits_vision.FAULTS,
    *edits_ends.FAULTS,
    *edits_feeds.FAULTS,
    *exporters.FAULTS,
    *descriptions.FAULTS,
    *runtime.FAULTS,
    *vision.FAULTS,
    *equivalents.FAULTS,
)
BENIGN: tuple[Benign, ...] = benign.BENIGN
