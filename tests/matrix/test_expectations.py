"""Expectations are strict in every direction."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.matrix.expectation_checks import load_expectations
from harness.matrix.expectation_files import committed_files
from harness.matrix.expectations import Expectations
from harness.matrix.registry import Registry
from harness.records import CellId, Outcome, Record

TODAY = date(2026, 1, 31)
KEYS = {
    "architecture": '"bert"',
    "task": '"fill-mask"',
    "opsets": '"18..20,23"',
    "exporter": '"dyn*"',
    "requirement": '"agreement"',
    "reason": '"rounds twice"',
    "issue": '"https://example.org/issues/1"',
    "layer": '"onnxscript"',
}


def entry(**changes: str | None) -> str:
    """Return one expectation as a TOML table; a key set to None is left out."""
    keys = {**KEYS, **changes}
    lines = (f"{key} = {value}" for key, value in keys.items() if value is not None)
    return "\n".join(["[[expectation]]", *lines, ""])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "known.toml"


def load(path: Path, text: str, registry: Registry) -> Expectations:
    path.write_text(text, encoding="utf-8")
    return load_expectations((path,), registry, today=TODAY)


def record(
    outcome: Outcome,
    *,
    cell: str = "bert/fill-mask/opset18/dynamo",
    requirement: str = "agreement",
) -> Record:
    return Record(
        cell=CellId.parse(cell), requirement=requirement, outcome=outcome, message="off by 1"
    )


def test_the_expected_failure_is_xfailed_and_says_why(path: Path, registry: Registry) -> None:
    known = load(path, entry(), registry).apply(record(Outcome.FAILED))
    assert known.outcome is Outcome.XFAILED
    assert known.message == "off by 1"
    assert known.expectation == {
        "reason": "rounds twice",
        "issue": "https://example.org/issues/1",
        "layer": "onnxscript",
        "source": "known.toml, entry 1",
    }


def test_a_pass_is_xpassed_and_names_the_entry(path: Path, registry: Registry) -> None:
    known = load(path, entry(), registry).apply(record(Outcome.PASSED))
    assert known.outcome is Outcome.XPASSED
    assert "narrow or remove known.toml, entry 1" in known.message


@pytest.mark.parametrize(
    "other",
    [
        record(Outcome.FAILED, requirement="export"),
        record(Outcome.FAILED, cell="bert/question-answering/opset18/dynamo"),
        record(Outcome.FAILED, cell="bert/fill-mask/opset21/dynamo"),
        record(Outcome.FAILED, cell="bert/fill-mask/opset18/torchscript"),
        record(Outcome.CRASHED),
        record(Outcome.INCONCLUSIVE),
        record(Outcome.SKIPPED),
        record(Outcome.NOT_APPLICABLE),
    ],
    ids=lambda other: f"{other.cell} {other.requirement} {other.outcome}",
)
def test_anything_else_stays_as_it_is(path: Path, registry: Registry, other: Record) -> None:
    assert load(path, entry(), registry).apply(other) is other


@pytest.mark.parametrize("outcome", ["inconclusive", "errored", "crashed", "timed_out"])
def test_other_bad_outcomes_can_be_expected(path: Path, registry: Registry, outcome: str) -> None:
    known = load(path, entry(outcome=f'"{outcome}"'), registry)
    assert known.apply(record(Outcome(outcome))).outcome is Outcome.XFAILED
    assert known.apply(record(Outcome.FAILED)).outcome is Outcome.FAILED


def test_requirements_expected_to_fail_are_listed(path: Path, registry: Registry) -> None:
    entries = entry(outcome='"failed"') + entry(requirement='"opset"', outcome='"crashed"')
    known = load(path, entries, registry)
    asked = ["export", "opset", "agreement"]
    cells = [CellId.parse(f"bert/fill-mask/opset{opset}/dynamo") for opset in (18, 21)]
    assert [known.expected_to_fail(cell, asked) for cell in cells] == [["agreement"], []]


def test_the_first_of_two_entries_counts(path: Path, registry: Registry) -> None:
    known = load(path, entry() + entry(task='"*"', reason='"another"'), registry)
    expectation = known.apply(record(Outcome.FAILED)).expectation
    assert expectation is not None
    assert expectation["reason"] == "rounds twice"


def test_synonyms_of_tasks_are_accepted(path: Path, registry: Registry) -> None:
    known = load(path, entry(task='"masked-lm"'), registry)
    assert known.apply(record(Outcome.FAILED)).outcome is Outcome.XFAILED


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ('{pytest = ">=1"}', True),
        ('{pytest = "<1"}', False),
        ('{pytest = ">=1", pydantic = "<1"}', False),
        ('{no-such-distribution = ">=0"}', False),
    ],
)
def test_an_entry_holds_for_its_versions_only(
    path: Path, registry: Registry, condition: str, holds: bool
) -> None:
    known = load(path, entry(versions=condition), registry)
    expected = Outcome.XFAILED if holds else Outcome.FAILED
    assert known.apply(record(Outcome.FAILED)).outcome is expected


def test_an_entry_holds_on_its_last_day(path: Path, registry: Registry) -> None:
    known = load(path, entry(expires="2026-01-31"), registry)
    assert known.apply(record(Outcome.FAILED)).outcome is Outcome.XFAILED


def test_a_run_names_the_first_problem_and_counts_the_others(
    path: Path, registry: Registry
) -> None:
    text = entry(expires="2026-01-30") + entry() + entry(opsets='"7"', expires='"2025-12-31"')
    with pytest.raises(UsageError) as caught:
        load(path, text, registry)
    assert str(caught.value) == (
        f"{path}: entry 1: expired on 2026-01-30; judge it anew, then renew or remove it "
        "(2 more, see python -m harness expectations check)"
    )


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"architecture": '"brt"'}, "architecture 'brt': matches none; did you mean bert?"),
        ({"task": '"fill-maks"'}, "task 'fill-maks': matches none; did you mean fill-mask?"),
        ({"exporter": '"dynamoo"'}, "exporter 'dynamoo': matches none; did you mean dynamo?"),
        ({"requirement": '"agrement"'}, "requirement 'agrement': matches none; did you mean"),
        ({"architecture": '"vit"'}, "vit has no task fill-mask, so it matches no pair"),
        ({"opsets": '"18..14"'}, "opsets '18..14': ends before it starts"),
        ({"opsets": "18"}, "key 'opsets' is 18: input should be a valid string"),
        ({"reason": '" "'}, "key 'reason' is ' ': string should have at least 1 character"),
        ({"reason": None}, "key 'reason' is missing; add it"),
        ({"raeson": '"x"'}, "key 'raeson' is not known; did you mean reason?"),
        ({"layer": '"pytorch"'}, "key 'layer' is 'pytorch': input should be 'transformers'"),
        ({"outcome": '"passed"'}, "must be one of failed, inconclusive, errored, crashed, timed"),
        ({"outcome": '"fails"'}, "key 'outcome' is 'fails': input should be"),
        ({"issue": '"later"'}, "must be an http(s) address or start with docs/findings/"),
        ({"issue": '"https://"'}, "must be an http(s) address or start with docs/findings/"),
        ({"versions": '{torch = "old"}'}, "key 'versions.torch' is 'old': must be a version cond"),
        ({"expires": '"soon"'}, "key 'expires' is 'soon'"),
    ],
)
def test_a_bad_entry_is_one_line_with_file_entry_and_key(
    path: Path, registry: Registry, changes: dict[str, str | None], what: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load(path, entry() + entry(**changes), registry)
    assert str(caught.value).startswith(f"{path}: entry 2:")
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[[expectation]", "is not TOML"),
        ("[expectation]", "'expectation' is no array of tables"),
        ("expectation = [1]", "'expectation' is no array of tables"),
        ("[[expectations]]", "key 'expectations' is not known"),
    ],
)
def test_a_bad_file_is_one_line(path: Path, registry: Registry, text: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(path, text, registry)
    assert str(caught.value).startswith(f"{path}: ")
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(path: Path, registry: Registry) -> None:
    with pytest.raises(UsageError, match=r"cannot be read \(No such file or directory\)"):
        load_expectations((path,), registry)


def test_findings_in_the_repository_count_as_issues(path: Path, registry: Registry) -> None:
    known = load(path, entry(issue='"docs/findings/dynamo-opset23-rotary.md"'), registry)
    assert known.entries[0].issue == "docs/findings/dynamo-opset23-rotary.md"


def test_what_is_committed_is_read_from_every_fixture_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "expectations").mkdir()
    theirs = tmp_path / "expectations" / "theirs.toml"
    theirs.touch()
    monkeypatch.setattr("harness.configs.plugins._fixture_directories", [tmp_path])
    assert committed_files()[0] == theirs
