"""Each fault is refused by its intended requirement, and benign changes conform."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from harness import CellReport, Outcome
from harness.requirements import requirement_ids
from tests.faults import baseline
from tests.faults.equivalence import prove
from tests.faults.library import (
    BENIGN,
    FAULTS,
    Bench,
    Benign,
    Family,
    Fault,
    first_refusal,
    judge_fault,
)
from tests.faults.library.runtime import REAL, STUBS
from tests.faults.library.subjects import BERT, CLIP, GPT2, T5, VIT, WHISPER
from tests.faults.message_form import misformed
from tests.faults.selection import gate_faults, parameters, sampled_parameters

REFUSED = [fault for fault in FAULTS if not fault.is_equivalent]
EQUIVALENT = [fault for fault in FAULTS if fault.is_equivalent]
LEVEL_FAULTS = [fault for fault in (*REAL, *STUBS) if "determinism" not in fault.refused_by]
SEEN_BY_AGREEMENT = [fault for fault in LEVEL_FAULTS if "agreement" in fault.refused_by]


def _name(fault: Fault) -> str:
    return f"{fault.case.family.name.lower()}-{fault}"


def _messages(report: CellReport) -> list[tuple[str, str, str | None]]:
    return [(r.requirement, str(r.outcome), r.message) for r in report.records]


@pytest.mark.parametrize("fault", parameters(REFUSED), ids=_name)
def test_a_fault_is_refused_by_its_requirement(fault: Fault, bench: Bench) -> None:
    report = judge_fault(fault, bench)
    assert first_refusal(report) in fault.refused_by, _messages(report)
    assert not report.conforms
    assert misformed(report.records) == []


@pytest.mark.parametrize("fault", sampled_parameters(EQUIVALENT), ids=str)
def test_an_equivalent_edit_stays_within_eager_rounding(fault: Fault, bench: Bench) -> None:
    proof = prove(fault, bench)
    assert proof.holds, proof


@pytest.mark.parametrize("fault", sampled_parameters(EQUIVALENT), ids=str)
def test_an_equivalent_edit_conforms(fault: Fault, bench: Bench) -> None:
    report = judge_fault(fault, bench)
    assert report.conforms, _messages(report)


@pytest.mark.parametrize("benign", sampled_parameters(BENIGN), ids=str)
def test_a_benign_change_conforms(benign: Benign, bench: Bench) -> None:
    report = benign.case.judge(bench, benign.subject, None)
    assert report.conforms, _messages(report)


@pytest.mark.parametrize("fault", parameters(LEVEL_FAULTS), ids=str)
def test_a_difference_between_optimisation_levels_fails_runtime(fault: Fault, bench: Bench) -> None:
    (record,) = fault.case.judge(bench, fault.subject, ["runtime"]).records
    assert (record.outcome, record.blame) == (Outcome.FAILED, "onnxruntime")


@pytest.mark.parametrize("fault", parameters(SEEN_BY_AGREEMENT), ids=str)
def test_agreement_blames_the_runtime_for_such_a_difference(fault: Fault, bench: Bench) -> None:
    (record,) = fault.case.judge(bench, fault.subject, ["agreement"]).records
    assert (record.outcome, record.blame) == (Outcome.FAILED, "onnxruntime")
    assert "ONNX Runtime's optimiser is at fault: " in record.message


@pytest.mark.parametrize(
    ("name", "is_refused"), [("bert-zeros", True), ("bert-ignores-mask", False)]
)
def test_the_baseline_refuses_zeros_and_misses_an_ignored_mask(
    name: str, is_refused: bool, bench: Bench
) -> None:
    fault = next(fault for fault in FAULTS if str(fault) == name)
    assert baseline.refuses(fault.case, bench, fault.subject) is is_refused


def test_the_baseline_accepts_correct_files(bench: Bench) -> None:
    accepted = [b for b in BENIGN if b.name in {"correct", "documented", "renamed-inside"}]
    assert accepted
    assert not any(baseline.refuses(one.case, bench, one.subject) for one in accepted)


def test_the_library_is_as_large_as_the_readme_says() -> None:
    readme = " ".join((Path(__file__).parents[2] / "README.md").read_text("utf-8").split())
    assert f"injects {len(REFUSED)} faults" in readme


def test_the_library_covers_all_families_and_the_main_subjects() -> None:
    assert len(BENIGN) >= 33
    assert {fault.case.family for fault in REFUSED} == set(Family)
    assert {BERT, GPT2, T5, VIT, WHISPER, CLIP} <= {fault.subject for fault in REFUSED}


def test_each_requirement_has_a_fault_that_only_it_may_refuse_first() -> None:
    """A new requirement needs a fault that shows why it is needed."""
    alone = {fault.refused_by[0] for fault in REFUSED if len(fault.refused_by) == 1}
    assert set(requirement_ids()) <= alone


def test_the_gate_injects_a_fault_of_each_requirement_and_family() -> None:
    every = {(name, fault.case.family) for fault in REFUSED for name in fault.refused_by[:1]}
    kept = gate_faults()
    assert {(fault.refused_by[0], fault.case.family) for fault in kept} == every
    assert len(kept) < len(REFUSED) / 2


def test_names_are_unique_in_a_family() -> None:
    names = Counter((str(fault.case.family), str(fault)) for fault in FAULTS)
    names.update(("benign", str(benign)) for benign in BENIGN)
    assert max(names.values()) == 1, names.most_common(3)
