"""Expectations are strict in every direction."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from harness.matrix.expectation_checks import load_expectations
from harness.matrix.expectation_files import committed_folders
from harness.matrix.expectations import Expectations, own_message
from harness.matrix.registry import Registry
from harness.records import CellId, Outcome, Record
from tests.written_findings import write_finding

TODAY = date(2026, 1, 31)
PAIR = ("bert/fill-mask/opset18/dynamo", "agreement")


def load(folder: Path, registry: Registry, **changes: Any) -> Expectations:
    return load_expectations((write_finding(folder, **changes),), registry, today=TODAY)


def record(
    outcome: Outcome,
    *,
    cell: str = PAIR[0],
    requirement: str = PAIR[1],
    message: str = "got 1, expected 2",
) -> Record:
    return Record(
        cell=CellId.parse(cell), requirement=requirement, outcome=outcome, message=message
    )


def test_the_expected_failure_is_xfailed_and_says_why(tmp_path: Path, registry: Registry) -> None:
    known = load(tmp_path, registry).apply(record(Outcome.FAILED))
    assert known.outcome is Outcome.XFAILED
    assert known.message == "got 1, expected 2"
    assert known.expectation == {
        "reason": "rounds twice",
        "issue": "https://example.org/issues/1",
        "layer": "onnxscript",
        "source": "known.toml",
    }


def test_a_pass_is_xpassed_and_names_the_finding(tmp_path: Path, registry: Registry) -> None:
    known = load(tmp_path, registry).apply(record(Outcome.PASSED))
    assert known.outcome is Outcome.XPASSED
    assert "known.toml lists it, take it off" in known.message


@pytest.mark.parametrize(
    ("other", "got"),
    [
        (record(Outcome.FAILED, message="off"), "a message that its pattern does not match"),
        (record(Outcome.CRASHED), "crashed, expected failed"),
        (record(Outcome.INCONCLUSIVE), "inconclusive, expected failed"),
        (record(Outcome.ERRORED), "errored, expected failed"),
    ],
    ids=lambda other: str(getattr(other, "outcome", "")),
)
def test_another_failure_is_not_expected_and_says_what_was(
    tmp_path: Path, registry: Registry, other: Record, got: str
) -> None:
    found = load(tmp_path, registry).apply(other)
    assert dataclasses.replace(found, message=other.message) == other
    assert own_message(found) == other.message
    assert found.headline == other.headline
    (line,) = found.message.removeprefix(other.message).splitlines()[1:]
    assert f"known.toml lists this (rounds twice): got {got} [{PAIR[0]}]; " in line


@pytest.mark.parametrize(
    "other",
    [
        record(Outcome.FAILED, requirement="export"),
        record(Outcome.FAILED, cell="bert/question-answering/opset18/dynamo"),
        record(Outcome.FAILED, cell="bert/fill-mask/opset20/dynamo"),
        record(Outcome.FAILED, cell="bert/fill-mask/opset18/torchscript"),
        record(Outcome.PASSED, requirement="export"),
        record(Outcome.SKIPPED),
        record(Outcome.NOT_RUN),
        record(Outcome.NOT_APPLICABLE),
    ],
    ids=lambda other: f"{other.cell} {other.requirement} {other.outcome}",
)
def test_what_is_not_listed_or_has_no_verdict_stays_as_it_is(
    tmp_path: Path, registry: Registry, other: Record
) -> None:
    assert load(tmp_path, registry).apply(other) is other


@pytest.mark.parametrize("outcome", ["inconclusive", "errored", "crashed", "timed_out"])
def test_other_bad_outcomes_can_be_expected(
    tmp_path: Path, registry: Registry, outcome: str
) -> None:
    known = load(tmp_path, registry, outcome=outcome)
    assert known.apply(record(Outcome(outcome))).outcome is Outcome.XFAILED
    assert known.apply(record(Outcome.FAILED)).outcome is Outcome.FAILED


def test_a_cell_may_fail_some_of_the_requirements_only(tmp_path: Path, registry: Registry) -> None:
    cells = (PAIR[0], "bert/fill-mask/opset19/dynamo opset")
    known = load(tmp_path, registry, requirement="opset,agreement", cells=cells)
    assert set(known.listed) == {
        (PAIR[0], "agreement"),
        (PAIR[0], "opset"),
        ("bert/fill-mask/opset19/dynamo", "opset"),
    }


def test_requirements_expected_to_fail_are_listed(tmp_path: Path, registry: Registry) -> None:
    write_finding(tmp_path, "first")
    write_finding(tmp_path, "second", requirement="opset", outcome="crashed")
    known = load_expectations((tmp_path,), registry)
    asked = ["export", "opset", "agreement"]
    cells = [CellId.parse(f"bert/fill-mask/opset{opset}/dynamo") for opset in (18, 20)]
    assert [known.expected_to_fail(cell, asked) for cell in cells] == [["agreement"], []]


def test_a_pattern_is_searched_in_all_lines(tmp_path: Path, registry: Registry) -> None:
    known = load(tmp_path, registry, message="second: got \\d", example="second: got 1")
    failed = record(Outcome.FAILED, message="first line\nsecond: got 3")
    assert known.apply(failed).outcome is Outcome.XFAILED


@pytest.mark.parametrize(
    ("versions", "holds"),
    [
        ({"pytest": ">=1"}, True),
        ({"pytest": "<1"}, False),
        ({"pytest": ">=1", "pydantic": "<1"}, False),
        ({"no-such-distribution": ">=0"}, False),
    ],
)
def test_a_finding_holds_for_its_versions_only(
    tmp_path: Path, registry: Registry, versions: dict[str, str], holds: bool
) -> None:
    known = load(tmp_path, registry, versions=versions)
    expected = Outcome.XFAILED if holds else Outcome.FAILED
    assert known.apply(record(Outcome.FAILED)).outcome is expected


def test_a_finding_holds_on_its_last_day(tmp_path: Path, registry: Registry) -> None:
    known = load(tmp_path, registry, expires=date(2026, 1, 31))
    assert known.apply(record(Outcome.FAILED)).outcome is Outcome.XFAILED


def test_of_two_packages_that_list_a_pair_the_first_counts(
    tmp_path: Path, registry: Registry
) -> None:
    folders = (tmp_path / "theirs", tmp_path / "ours")
    for folder in folders:
        write_finding(folder, reason=folder.name)
    for places in (folders, folders[::-1]):
        expectation = load_expectations(places, registry).apply(record(Outcome.FAILED)).expectation
        assert expectation is not None
        assert expectation["reason"] == places[0].name


def test_what_is_committed_is_read_from_every_fixture_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry
) -> None:
    write_finding(tmp_path / "expectations")
    monkeypatch.setattr("harness.configs.plugins._fixture_directories", [tmp_path])
    assert committed_folders()[0] == tmp_path / "expectations"
    known = load_expectations(committed_folders()[:1], registry)
    assert known.find(CellId.parse(PAIR[0]), PAIR[1]) is not None
