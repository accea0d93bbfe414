"""Faults as exporters, so that a run of the suite judges them like any exporter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness import CellId, Exporter
from tests.faults.library import FAULTS
from tests.faults.library.cases import ONLY_PART, Edited, Exported, Ran
from tests.faults.library.core import Fault
from tests.faults.library.exporter_kinds import Editing, WrongExporter
from tests.faults.library.subjects import BERT, GPT2, Subject

CONTROL = WrongExporter("control")
CONTROLLED = (BERT, GPT2)

_EDITS = {
    "bert-another-opset-label",
    "bert-folded-token-types",
    "bert-offset",
    "bert-plain-scale-overflows",
    "bert-rolls-dice",
    "bert-sees-first-token-always",
    "bert-weights-stored-twice",
    "clip-one-symbol-for-two-sizes",
    "gpt2-renamed-output",
    "gpt2-returns-value-for-key",
    "gpt2-saturates-past",
    "gpt2-unknown-operator",
    "t5-ignores-encoder-mask-in-steps",
    "vit-float64-logits",
}
"""Edits to run as exporters: at least one for each requirement that refuses edits."""

_OF_OTHER_SUBJECTS = {
    "clip-inverts-mask",
    "llama-takes-mask-for-prefix",
    "mistral-drops-window",
    "mixtral-bakes-experts",
    "vit-drops-far-images",
    "vit-turns-images",
    "whisper-crosses-layers",
}


@dataclass(frozen=True, slots=True)
class AsExporter:
    """A fault, and an exporter that makes it."""

    fault: Fault
    exporter: Exporter

    @property
    def cell(self) -> CellId:
        return cell_of(self.fault.subject, self.exporter)

    def __str__(self) -> str:
        return str(self.fault)


def cell_of(subject: Subject, exporter: Exporter) -> CellId:
    """Return the cell in which an exporter exports a subject."""
    return CellId(
        architecture=subject.architecture,
        task=subject.task,
        opset=subject.opset,
        exporter=exporter.name,
        variant=subject.variant,
    )


def _as_exporters() -> Iterator[AsExporter]:
    for fault in FAULTS:
        is_controlled = fault.subject in CONTROLLED or str(fault) in _OF_OTHER_SUBJECTS
        match fault.case:
            case Exported(exporter=exporter) if is_controlled:
                yield AsExporter(fault, exporter)
            case Edited(edit=edit, part=part) if str(fault) in _EDITS:
                yield AsExporter(fault, Editing(str(fault), edit, part))
            case Ran(edit=edit, runtime=None) if str(fault) in _EDITS:
                yield AsExporter(fault, Editing(str(fault), edit, ONLY_PART))


AS_EXPORTERS = tuple(_as_exporters())
