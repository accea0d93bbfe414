"""A finding or a line that could never be met is refused, and all problems are reported at once."""

from __future__ import annotations

from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.evidence.fixtures import TinyModel
from harness.matrix.expectation_checks import Examined, examine_expectations, load_expectations
from harness.matrix.registry import Registry
from tests.written_findings import write_finding

TODAY = date(2026, 1, 31)
BERT = "bert/fill-mask/opset18/dynamo"
OTHER = "bert/fill-mask/opset19/dynamo"


def examine(place: Path, registry: Registry) -> Examined:
    return examine_expectations((place,), registry, today=TODAY)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"exporter": "dynamo,dynmo"}, "exporter 'dynmo': matches none; did you mean dynamo"),
        ({"requirement": "opset,opsset"}, "requirement 'opsset': matches none; did you mean"),
        ({"exporter": "dynamo,,x"}, "exporter 'dynamo,,x': an item is empty"),
        ({"opsets": "7..8"}, "opsets '7..8': the nightly profile does not plan 7..8, only 9..25;"),
        ({"opsets": "18,26"}, "opsets '18,26': the nightly profile does not plan 26, only 9..25;"),
        ({"opsets": "18..14"}, "opsets '18..14': ends before it starts"),
        ({"opsets": 18}, "key 'opsets' is 18: input should be a valid string"),
        ({"message": ""}, "key 'message' is '': matches the empty string"),
        ({"message": ".*"}, "key 'message' is '.*': matches the empty string"),
        ({"message": "got|"}, "key 'message' is 'got|': matches the empty string"),
        ({"message": "(got"}, "key 'message' is '(got': is not a regular expression (missing )"),
        ({"message": "off by"}, "key 'message' does not match key 'example'; correct one"),
        ({"message": None}, "key 'message' is missing; add it"),
        ({"example": None}, "key 'example' is missing; add it"),
        ({"example": " "}, "key 'example' is ' ': string should have at least 1 character"),
        ({"reason": " "}, "key 'reason' is ' ': string should have at least 1 character"),
        ({"reason": None}, "key 'reason' is missing; add it"),
        ({"expectation": [{"task": "*"}]}, "key 'expectation' is not known; "),
        ({"raeson": "x"}, "key 'raeson' is not known; did you mean reason?"),
        ({"layer": "pytorch"}, "key 'layer' is 'pytorch': input should be 'transformers'"),
        ({"outcome": "passed"}, "must be one of failed, inconclusive, errored, crashed, timed"),
        ({"outcome": "fails"}, "key 'outcome' is 'fails': input should be"),
        ({"issue": "later"}, "must be an http(s) address or start with docs/findings/"),
        ({"issue": "https://"}, "must be an http(s) address or start with docs/findings/"),
        ({"issue": "docs/findings/none.md"}, "'docs/findings/none.md': there is no such page"),
        ({"versions": {"torch": "old"}}, "key 'versions.torch' is 'old': must be a version cond"),
        ({"expires": "soon"}, "key 'expires' is 'soon'"),
        ({"expires": date(2026, 1, 30)}, "expired on 2026-01-30; judge it anew"),
        ({"reason": "not written yet"}, "reason is not written yet; say it in your own words"),
        ({"reason": "Not written yet: why"}, "reason is not written yet"),
        ({"issue": "not written yet"}, "issue is not written yet"),
    ],
)
def test_a_wrong_key_is_one_line(
    tmp_path: Path, registry: Registry, changes: dict[str, Any], problem: str
) -> None:
    path = write_finding(tmp_path, **changes)
    (found,) = examine(path, registry).problems
    assert found.startswith(f"{path}: ")
    assert problem in found
    assert "\n" not in found
    with pytest.raises(UsageError) as caught:
        load_expectations((path,), registry, today=TODAY)
    assert str(caught.value) == found


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([BERT, BERT], f"line 2: {BERT} stands in the list twice; remove one"),
        ([f"{BERT} opset", BERT], f"line 2: {BERT} stands in the list twice"),
        ([OTHER, BERT], f"line 2: {BERT} stands behind {OTHER}; sort the lines"),
        (["bert/fill-mask/opset21/dynamo"], "is outside of the finding: dynamo at opsets 18..20,"),
        (["bert/fill-mask/opset18/torchscript"], "is outside of the finding: dynamo at opsets"),
        (["bert/fill-mask/opset26/dynamo"], "the nightly profile plans opsets 9..25 only"),
        (["bert/fill-mask/opset018/dynamo"], "the nightly profile plans opsets 9..25 only"),
        (["bert/fill-mask/opset18/dynmo"], "exporter 'dynmo' is not known; did you mean dynamo?"),
        (["brt/fill-mask/opset18/dynamo"], "no architecture with this task is registered; did you"),
        (["vit/fill-mask/opset18/dynamo"], "no architecture with this task is registered"),
        (["bert~x/fill-mask/opset18/dynamo"], "no architecture with this task is registered"),
        (["dynamo"], "line 1: cell 'dynamo' is not planned in a full matrix: "),
        (["", BERT], "line 1: cell '' is not planned in a full matrix: "),
        ([f" {BERT}"], "line 1: cell '' is not planned in a full matrix: "),
        ([f"{BERT} export"], f"line 1: '{BERT} export' names its requirements wrongly; write some"),
        ([f"{BERT} agreement,opset"], "names its requirements wrongly; write some of opset,"),
        ([f"{BERT} opset,agreement"], "in this order, or none if all of them fail"),
        ([f"{BERT} opset,opset"], "names its requirements wrongly"),
        ([f"{BERT} "], "names its requirements wrongly"),
        ([], "lists no cell; run expectations update on a run that meets it, or remove the"),
    ],
)
def test_a_wrong_line_is_one_line(
    tmp_path: Path, registry: Registry, lines: list[str], problem: str
) -> None:
    path = write_finding(tmp_path, requirement="opset,agreement")
    cells = path.with_suffix(".cells")
    cells.write_text("".join(f"{line}\n" for line in lines))
    (found,) = examine(path, registry).problems
    assert found.startswith(f"{cells}: ")
    assert problem in found
    assert "\n" not in found


def test_a_finding_needs_its_list_and_a_list_its_finding(
    tmp_path: Path, registry: Registry
) -> None:
    path = write_finding(tmp_path)
    cells = path.with_suffix(".cells")
    cells.rename(tmp_path / "other.cells")
    assert examine(tmp_path, registry).problems == (
        f"{tmp_path / 'other.cells'}: other.toml is missing beside it; add it or remove the list",
        f"{cells}: lists no cell; run expectations update on a run that meets it, or remove the "
        "finding",
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, "one.toml: key 'message' matches the example of two.toml too; narrow the pattern"),
        ({"exporter": "dynamo,torchscript", "opsets": "9..18"}, "narrow the pattern"),
        ({"example": "agreement: got a wrong value", "message": "wrong"}, ""),
        ({"exporter": "torchscript"}, ""),
        ({"opsets": "9..17"}, ""),
        ({"requirement": "opset"}, ""),
        ({"outcome": "crashed"}, ""),
        ({"versions": {"pytest": "<1"}}, ""),
    ],
)
def test_a_pattern_that_matches_another_finding_that_it_can_meet_is_refused(
    tmp_path: Path, registry: Registry, changes: dict[str, Any], problem: str
) -> None:
    write_finding(tmp_path, "one")
    keys = {"example": "agreement: got 3, a 4", "message": "a 4", **changes}
    exporter = "torchscript" if changes.get("exporter") == "torchscript" else "dynamo"
    opset = 17 if changes.get("opsets") == "9..17" else 18
    write_finding(
        tmp_path, "two", cells=[f"vit/image-classification/opset{opset}/{exporter}"], **keys
    )
    problems = examine(tmp_path, registry).problems
    assert len(problems) == bool(problem)
    assert problem in "".join(problems)


def test_a_pair_in_two_lists_of_a_folder_is_refused(tmp_path: Path, registry: Registry) -> None:
    write_finding(tmp_path, "one", cells=[BERT, OTHER])
    crashed = {"outcome": "crashed", "message": "signal", "example": "got signal 11"}
    path = write_finding(tmp_path, "two", **crashed)
    (problem,) = examine(tmp_path, registry).problems
    assert problem == (
        f"{path.with_suffix('.cells')}: {BERT} agreement stands in one.cells too (1 such pairs); "
        "take it off one of the lists"
    )
    write_finding(tmp_path, "two", **crashed, versions={"pytest": "<1"})
    assert not examine(tmp_path, registry).problems


def test_all_problems_of_all_findings_are_reported(tmp_path: Path, registry: Registry) -> None:
    write_finding(tmp_path, "a", exporter="dynmo")
    write_finding(tmp_path, "b", layer="x", reason=" ")
    write_finding(tmp_path, "c", expires=date(2026, 1, 30), cells=["brt/x/opset18/dynamo", BERT])
    problems = examine(tmp_path, registry).problems
    reported = [line.removeprefix(f"{tmp_path}/").split(" ")[:2] for line in problems]
    assert reported == [
        ["a.toml:", "exporter"],
        ["b.toml:", "key"],
        ["b.toml:", "key"],
        ["c.toml:", "expired"],
        ["c.cells:", "line"],
    ]
    with pytest.raises(UsageError, match=r"dynamo\? \(4 more, see .* expectations check\)"):
        load_expectations((tmp_path,), registry, today=TODAY)


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("known.toml", b"reason = ", "is not TOML"),
        ("known.toml", b"\xff", "is not text"),
        ("known.cells", b"\xff", "is not text"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(
    tmp_path: Path, registry: Registry, name: str, content: bytes, what: str
) -> None:
    write_finding(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load_expectations((tmp_path,), registry)
    assert str(caught.value).startswith(f"{tmp_path / name}: {what}")
    assert "\n" not in str(caught.value)


def test_a_missing_place_is_refused(tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(UsageError, match=r"cannot be read \(No such file or directory\)"):
        load_expectations((tmp_path / "none",), registry)


def test_pages_are_looked_for_in_the_project_that_holds_the_file(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixtures = tmp_path / "fixtures"
    path = write_finding(fixtures / "expectations", issue="docs/findings/theirs.md")
    monkeypatch.setattr("harness.configs.plugins._fixture_directories", [fixtures])
    assert not examine(path, registry).problems  # no pages there
    (tmp_path / "docs" / "findings").mkdir(parents=True)
    (problem,) = examine(path, registry).problems
    assert "there is no such page" in problem
    (tmp_path / "docs" / "findings" / "theirs.md").touch()
    assert not examine(path, registry).problems


@pytest.mark.parametrize(
    ("versions", "inactive"),
    [
        ({"pytest": ">=1"}, ""),
        ({"pytest": "<1"}, f"asks for pytest <1, {version('pytest')} is installed"),
        ({"no-such": ">=0"}, "asks for no-such >=0, which is not installed"),
        (
            {"pytest": "<1", "pydantic": ">=1", "no-such": "<2"},
            f"asks for pytest <1, {version('pytest')} is installed; "
            "asks for no-such <2, which is not installed",
        ),
    ],
)
def test_an_inactive_finding_says_why(
    tmp_path: Path, registry: Registry, versions: dict[str, str], inactive: str
) -> None:
    examined = examine(write_finding(tmp_path, versions=versions), registry)
    assert [one.inactive for one in examined.known] == [inactive]
    assert bool(examined.active) is not bool(inactive)


def test_an_inactive_finding_is_checked_all_the_same(tmp_path: Path, registry: Registry) -> None:
    path = write_finding(tmp_path, versions={"pytest": "<1"}, cells=["brt/x/opset18/dynamo"])
    (problem,) = examine(path, registry).problems
    assert "is not planned in a full matrix" in problem


def test_expiry_counts_from_today(tmp_path: Path, registry: Registry) -> None:
    path = write_finding(tmp_path, expires=date(2020, 1, 1))
    with pytest.raises(UsageError, match="expired on 2020-01-01"):
        load_expectations((path,), registry)
    write_finding(tmp_path, expires=date(9999, 1, 1))
    assert load_expectations((path,), registry).listed


def test_a_variant_is_listed_by_its_own_name(tmp_path: Path) -> None:
    models = {TinyModel("bert"): ("fill-mask",), TinyModel("bert", "tall"): ("fill-mask",)}
    registry = Registry(tasks=models, exporters=("dynamo",), requirements=("agreement",))
    path = write_finding(tmp_path, cells=["bert~tall/fill-mask/opset18/dynamo"])
    known = load_expectations((path,), registry)
    assert [cell for cell, _ in known.listed] == ["bert~tall/fill-mask/opset18/dynamo"]
