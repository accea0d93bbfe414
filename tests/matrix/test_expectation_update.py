"""An update adds and removes lines of lists, and drafts findings only for unknown messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.matrix.expectation_drafts import propose_pattern
from harness.matrix.expectation_update import Update
from harness.matrix.expectations import Pair
from harness.records import CellId, Outcome, Record
from tests.matrix.expectation_updates import (
    apply,
    fill_in,
    load,
    propose,
    record,
    run_of,
    write,
)
from tests.written_findings import write_finding

BERT, VIT, TALL = (
    f"{row}/opset18/dynamo"
    for row in ("bert/fill-mask", "vit/image-classification", "bert~tall/fill-mask")
)


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """The list of a finding about two cells."""
    path = write_finding(tmp_path, cells=[BERT, VIT], requirement="opset,agreement")
    return path.with_suffix(".cells")


def failed(cell: str, requirement: str = "agreement", **changes: Any) -> Record:
    return record((cell, requirement), Outcome.FAILED, **changes)


def test_a_failure_with_the_signature_of_a_finding_is_a_line_more(known: Path) -> None:
    update = propose(run_of([failed(TALL), failed(TALL, "opset")]), known.parent)
    (file,) = update.files
    assert (file.path, file.before) == (known, known.read_text())
    assert file.after == f"{BERT}\n{TALL}\n{VIT}\n"
    assert update.notes == ("known.toml: 2 pairs added",)


def test_a_cell_that_fails_some_of_the_requirements_names_them(known: Path) -> None:
    records = [failed(TALL), record((BERT, "opset"), Outcome.XPASSED)]
    (file,) = propose(run_of(records), known.parent).files
    assert file.after == f"{BERT} agreement\n{TALL} agreement\n{VIT}\n"


@pytest.mark.parametrize("outcome", [Outcome.XPASSED, Outcome.PASSED, Outcome.NOT_APPLICABLE])
def test_what_is_not_met_is_taken_off(known: Path, outcome: Outcome) -> None:
    records = [record((BERT, name), outcome) for name in ("opset", "agreement")]
    update = propose(run_of(records), known.parent)
    (file,) = update.files
    assert file.after == f"{VIT}\n"
    ended = "passed" if outcome is Outcome.XPASSED else outcome
    assert update.notes == (f"known.toml: 0 pairs added, 2 removed (2 {ended})",)


@pytest.mark.parametrize("outcome", [None, Outcome.NOT_RUN, Outcome.SKIPPED, Outcome.XFAILED])
def test_what_a_run_did_not_judge_stays(known: Path, outcome: Outcome | None) -> None:
    records = [record((BERT, "opset"), Outcome.PASSED)]
    source = {"source": "known.toml"}
    others = [(BERT, "agreement"), (VIT, "opset"), (VIT, "agreement")]
    records += [replace(record(pair, outcome), expectation=source) for pair in others if outcome]
    update = propose(run_of(records, is_complete=False), known.parent)
    assert update.notes[0] == "this run was interrupted: what it did not judge stays as it is"
    (file,) = update.files
    assert file.after == f"{BERT} agreement\n{VIT}\n"


@pytest.mark.parametrize("is_empty", [True, False], ids=["empty list", "no list"])
def test_a_finding_written_by_hand_gets_its_list(known: Path, is_empty: bool) -> None:
    known.write_text("") if is_empty else known.unlink()
    with pytest.raises(UsageError, match=r"known\.cells: lists no cell; run expectations update"):
        load(known.parent)
    assert not propose(run_of([record((TALL, "opset"), Outcome.PASSED)]), known.parent).files
    write(propose(run_of([failed(TALL)]), known.parent))
    assert known.read_text() == f"{TALL} agreement\n"
    assert load(known.parent).listed


def test_a_run_of_other_cells_changes_nothing(known: Path) -> None:
    elsewhere = record((TALL, "agreement"), Outcome.PASSED)
    assert propose(run_of([elsewhere]), known.parent) == Update(files=(), notes=())


def test_a_finding_without_cells_is_removed_with_its_list(known: Path) -> None:
    pairs = [(cell, name) for cell in (BERT, VIT) for name in ("opset", "agreement")]
    update = propose(run_of([record(pair, Outcome.XPASSED) for pair in pairs]), known.parent)
    assert {(file.path.name, file.after) for file in update.files} == {
        ("known.toml", ""),
        ("known.cells", ""),
    }
    assert update.files[0].diff("known.toml").startswith("--- a/known.toml\n+++ /dev/null\n")
    write(update)
    assert not list(known.parent.iterdir())


def test_a_failure_that_matches_another_finding_moves_there(known: Path) -> None:
    write_finding(
        known.parent, "other", message="gone", example="file is gone", requirement="agreement",
        cells=[TALL],
    )  # fmt: skip
    update = propose(run_of([failed(BERT, message="a file is gone")]), known.parent)
    after = {file.path.name: file.after for file in update.files}
    assert after == {
        "known.cells": f"{BERT} opset\n{VIT}\n",
        "other.cells": f"{BERT}\n{TALL}\n",
    }


@pytest.mark.parametrize(
    "changes",
    [{"message": "the graph has no output"}, {"outcome": Outcome.CRASHED}],
    ids=["message", "outcome"],
)
def test_a_listed_pair_that_fails_otherwise_is_drafted_anew(
    known: Path, changes: Mapping[str, Any]
) -> None:
    folder = known.parent
    raw = replace(failed(BERT), **changes)
    (red,) = apply(load(folder), [raw])
    assert "known failures: known.toml lists this" in red.message
    update = propose(run_of([red]), folder)
    write(update)
    assert known.read_text() == f"{BERT} opset\n{VIT}\n"
    assert (folder / "dynamo-opset18-agreement.cells").read_text() == f"{BERT}\n"
    assert "known failures" not in (folder / "dynamo-opset18-agreement.toml").read_text()
    fill_in(folder)
    assert apply(load(folder), [raw])[0].outcome is Outcome.XFAILED


def test_a_message_that_two_findings_match_is_left_open(known: Path) -> None:
    write_finding(known.parent, "other", message="2 twos", example="2 twos", cells=[TALL])
    vit = "vit/feature-extraction/opset18/dynamo"
    update = propose(run_of([failed(vit, message="got 1, expected 2 twos")]), known.parent)
    assert not update.files
    assert update.notes == (
        "1 pairs match known.toml and other.toml; narrow a pattern, then update again: "
        f"{vit} agreement",
    )


@pytest.mark.parametrize(
    ("cell", "requirement"),
    [
        ("bert/fill-mask/opset17/dynamo", "agreement"),
        ("bert/fill-mask/opset18/torchscript", "agreement"),
        ("bert/fill-mask/opset18/dynamo", "export"),
    ],
)
def test_a_known_message_elsewhere_is_reported_and_neither_listed_nor_drafted(
    known: Path, cell: str, requirement: str
) -> None:
    update = propose(run_of([failed(cell, requirement)]), known.parent)
    assert not update.files
    assert update.notes == (
        "1 pairs match the message of known.toml, but not its exporter, opsets and requirement; if "
        f"it is one defect, widen these and update again: {cell} {requirement}",
    )


def test_a_finding_of_another_package_is_copied_beside_the_tiny_model(
    tmp_path: Path, known: Path
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    update = propose(run_of([failed(TALL)]), theirs, known.parent)
    write(update)
    assert (theirs / "known.toml").read_text() == known.with_suffix(".toml").read_text()
    assert (theirs / "known.cells").read_text() == f"{TALL} agreement\n"
    assert known.read_text() == f"{BERT}\n{VIT}\n"
    assert apply(load(theirs, known.parent), [failed(TALL)])[0].outcome is Outcome.XFAILED
    again = propose(run_of([failed(TALL), failed(TALL, "opset")]), theirs, known.parent)
    (file,) = again.files
    assert (file.path, file.after) == (theirs / "known.cells", f"{TALL}\n")


def test_a_finding_is_not_copied_over_another_of_its_name(tmp_path: Path, known: Path) -> None:
    theirs = write_finding(
        tmp_path / "theirs", cells=[BERT], requirement="export", message="no", example="no"
    )
    write(propose(run_of([failed(TALL)]), theirs.parent, known.parent))
    assert theirs.with_suffix(".cells").read_text() == f"{BERT}\n"
    assert (theirs.parent / "dynamo-opset18-agreement.cells").read_text() == f"{TALL}\n"


def test_a_draft_names_requirements_in_their_order(tmp_path: Path) -> None:
    names = ("agreement", "opset", "export")
    records = [failed(VIT, name) for name in names] + [failed(BERT, name) for name in names[:2]]
    write(propose(run_of(records), tmp_path))
    (cells,) = tmp_path.glob("*.cells")
    assert cells.read_text() == f"{BERT} opset,agreement\n{VIT}\n"
    fill_in(tmp_path)
    assert len(load(tmp_path).listed) == len(records)


def test_versions_of_the_run_decide_which_findings_held(tmp_path: Path) -> None:
    write_finding(tmp_path, cells=[BERT], versions={"torch": "<2"})
    passed = [record((BERT, "agreement"), Outcome.PASSED)]
    assert not propose(run_of(passed, torch="2.1"), tmp_path).files
    assert propose(run_of(passed, torch="1.9"), tmp_path).files


def test_a_draft_is_refused_until_its_reason_is_written(tmp_path: Path) -> None:
    records = [failed(BERT), failed(VIT), failed(VIT, "opset")]
    update = propose(run_of(records), tmp_path)
    assert update.notes == (f"{tmp_path}: 3 pairs in new findings, without reason and issue",)
    write(update)
    path = tmp_path / "dynamo-opset18-agreement.toml"
    assert path.read_text() == (
        'reason = "not written yet"\nissue = "not written yet"\nlayer = "exporter"\n'
        'exporter = "dynamo"\nopsets = "18"\nrequirement = "opset,agreement"\n'
        "message = 'got \\S+ expected'\nexample = \"got 1, expected 2\"\n"
    )
    assert path.with_suffix(".cells").read_text() == f"{BERT} agreement\n{VIT}\n"
    with pytest.raises(UsageError, match="reason is not written yet"):
        load(tmp_path)
    fill_in(tmp_path)
    assert {one.outcome for one in apply(load(tmp_path), records)} == {Outcome.XFAILED}


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 1),
        ({"message": "got 3, expected 4"}, 1),
        ({"message": "the graph has no output"}, 2),
        ({"outcome": Outcome.CRASHED}, 2),
    ],
)
def test_failures_of_other_kinds_become_other_findings(
    tmp_path: Path, changes: Mapping[str, Any], count: int
) -> None:
    records = [failed(BERT), replace(failed(VIT), **changes)]
    files = propose(run_of(records), tmp_path).files
    names = {file.path.name for file in files if file.path.suffix == ".toml"}
    assert names == {f"dynamo-opset18-agreement{end}.toml" for end in ("", "-2")[:count]}


@pytest.mark.parametrize(
    ("outcome", "blame", "layer"),
    [
        (Outcome.FAILED, "onnxruntime", "onnxruntime"),
        (Outcome.FAILED, "30 1234", "exporter"),
        (Outcome.CRASHED, None, "exporter"),
        (Outcome.ERRORED, None, "harness"),
    ],
)
def test_the_layer_is_the_one_that_is_blamed(
    tmp_path: Path, outcome: Outcome, blame: str | None, layer: str
) -> None:
    one = record((BERT, "agreement"), outcome, blame=blame)
    file = propose(run_of([one]), tmp_path).files[0]
    assert f'layer = "{layer}"' in file.after
    assert (f'outcome = "{outcome}"' in file.after) is (outcome is not Outcome.FAILED)


@pytest.mark.parametrize(
    ("message", "part", "pattern"),
    [
        (
            "export: got SymbolicValueError: ONNX export of cumsum in opset 9. Please [{cell}]",
            None,
            r"SymbolicValueError: ONNX export of cumsum in opset \S+ Please",
        ),
        (
            "decoder: ONNX Runtime: got [ONNXRuntimeError] : 1 : FAIL : running Pad. Name:'/x'",
            "decoder",
            r"\[ONNXRuntimeError\] : \S+ : FAIL : running Pad\.",
        ),
        ("opset_import of ai.onnx: got 18, expected 17 [{cell}]", None, None),
        ("values of logits: got max_abs_diff 0.1, expected at most atol [{cell}]", None, None),
        ("17", None, "17"),
    ],
)
def test_a_proposed_pattern_names_the_error_without_numbers_and_paths(
    message: str, part: str | None, pattern: str | None
) -> None:
    text = message.format(cell=f"{BERT}, batch_size=1")
    found = propose_pattern(replace(failed(BERT, message=text), part=part))
    expected = {
        "opset_import": r"opset_import of ai\.onnx: got \S+ expected",
        "values": r"got max_abs_diff .*\[bert[~/]",
    }
    assert found == (pattern or expected[message.split()[0]])


def test_an_example_of_several_lines_or_odd_characters_is_written_as_text(tmp_path: Path) -> None:
    message = 'a "b" \x00\x1b[31m\N{LINE SEPARATOR}# c\nsecond'
    raw = failed(BERT, message=message)
    write(propose(run_of([raw]), tmp_path))
    fill_in(tmp_path)
    assert apply(load(tmp_path), [raw])[0].outcome is Outcome.XFAILED


@pytest.mark.parametrize(
    "pair", [("bert/fill-mask/opset26/dynamo", "agreement"), (BERT, "unknown")], ids=str
)
def test_failures_outside_the_full_matrix_are_reported_and_not_drafted(
    tmp_path: Path, pair: Pair
) -> None:
    update = propose(run_of([record(pair, Outcome.FAILED)]), tmp_path)
    assert not update.files
    (note,) = update.notes
    assert note.startswith("1 pairs are not planned in a full matrix")
    assert note.endswith(" ".join(pair))


def test_failures_that_only_a_removed_finding_expected_are_reported(tmp_path: Path) -> None:
    source = {"source": "gone.toml"}
    expected = replace(record((BERT, "agreement"), Outcome.XFAILED), expectation=source)
    update = propose(run_of([expected]), tmp_path)
    assert not update.files
    assert "1 pairs ended as a finding says that is gone; run them again" in update.notes[0]


def test_the_cell_of_a_record_decides_its_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.matrix.expectation_update import home_of

    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "bert~tall.json").touch()
    monkeypatch.setattr("harness.configs.plugins._fixture_directories", [tmp_path])
    assert home_of(CellId.parse(TALL)) == tmp_path / "expectations"
    assert home_of(CellId.parse(BERT)) != tmp_path / "expectations"
