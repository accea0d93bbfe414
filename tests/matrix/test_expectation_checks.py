"""An entry that could never count is refused, and all problems are reported at once."""

from __future__ import annotations

from datetime import date
from importlib.metadata import version
from pathlib import Path

import pytest
from expectation_files_of_tests import entry

from harness.errors import UsageError
from harness.evidence.fixtures import TinyModel
from harness.matrix.expectation_checks import Examined, examine_expectations, load_expectations
from harness.matrix.registry import Registry

TODAY = date(2026, 1, 31)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "known.toml"


def examine(path: Path, text: str, registry: Registry) -> Examined:
    path.write_text(text, encoding="utf-8")
    return examine_expectations((path,), registry, today=TODAY)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"opsets": "7..8"}, "opsets 7..8 are none of 9..25, so it matches no pair"),
        ({"opsets": "18,7..8"}, "opsets '7..8': opsets 7..8 are none of 9..25"),
        ({"opsets": "26,18"}, "opsets '26': opsets 26 are none of 9..25"),
        ({"architecture": "bert,vit"}, "architecture 'vit': vit has no task fill-mask"),
        ({"task": "fill-mask,image-*"}, "task 'image-*': bert has no task image-*"),
        ({"task": "fill-mask,image-class"}, "task 'image-class': matches none; did you mean"),
        ({"exporter": "dynamo,dynmo"}, "exporter 'dynmo': matches none; did you mean dynamo"),
        ({"requirement": "opset,opsset"}, "requirement 'opsset': matches none; did you mean"),
        ({"task": "fill-mask,,x"}, "task 'fill-mask,,x': an item is empty"),
        ({"issue": "docs/findings/none.md"}, "'docs/findings/none.md': there is no such page"),
        ({"reason": "not written yet"}, "reason is not written yet; say it in your own words"),
        ({"reason": "Not written yet: why"}, "reason is not written yet"),
        ({"issue": "not written yet"}, "issue is not written yet"),
    ],
)
def test_what_can_not_count_is_one_line(
    path: Path, registry: Registry, changes: dict[str, str], problem: str
) -> None:
    (found,) = examine(
        path, entry(opsets="9", reason="other") + entry(**changes), registry
    ).problems
    assert found.startswith(f"{path}: entry 2: ")
    assert problem in found
    assert "\n" not in found


def test_all_problems_of_all_entries_are_reported(path: Path, registry: Registry) -> None:
    text = (
        entry(architecture="brt", task="fill-maks")
        + entry(layer="x", reason=" ")
        + entry(expires="2026-01-30", opsets="7")
        + "[[other]]\n"
    )
    reported = [line.removeprefix(f"{path}: ") for line in examine(path, text, registry).problems]
    assert [line.split(" ")[:3] for line in reported] == [
        ["key", "'other'", "is"],
        ["entry", "1:", "architecture"],
        ["entry", "1:", "task"],
        ["entry", "2:", "key"],
        ["entry", "2:", "key"],
        ["entry", "3:", "expired"],
        ["entry", "3:", "opsets"],
    ]


@pytest.mark.parametrize(
    ("earlier", "later", "shadows"),
    [
        ({}, {"reason": "other", "outcome": "crashed"}, "known.toml, entry 1"),
        ({"task": "*"}, {}, "known.toml, entry 1"),
        ({}, {"task": "*"}, None),
        ({"opsets": "18"}, {"opsets": "18..20"}, None),
        ({"requirement": "opset"}, {}, None),
        ({"versions": {"torch": "<9"}}, {}, None),
        ({"versions": {"torch": "<9"}}, {"versions": {"torch": ">=9"}}, None),
        ({"versions": {"torch": "<9"}}, {"versions": {"torch": "<9"}}, "known.toml, entry 1"),
        ({"versions": {"x": "<9"}}, {"versions": {"x": "<9", "y": "<1"}}, "known.toml, entry 1"),
        ({}, {"versions": {"torch": "<9"}}, "known.toml, entry 1"),
    ],
)
def test_an_entry_that_never_counts_is_refused_with_what_counts_before_it(
    path: Path,
    registry: Registry,
    earlier: dict[str, object],
    later: dict[str, object],
    shadows: str | None,
) -> None:
    problems = examine(path, entry(**earlier) + entry(**later), registry).problems
    if shadows is None:
        assert not problems
        return
    (problem,) = problems
    assert problem.startswith(f"{path}: entry 2: never counts")
    assert f"covered by {shadows} before it" in problem


def test_several_entries_can_shadow_one_together(path: Path, registry: Registry) -> None:
    text = entry(opsets="9..17") + entry(opsets="18..25") + entry(opsets="17..18")
    (problem,) = examine(path, text, registry).problems
    assert "entry 3: never counts" in problem
    assert "known.toml, entry 1 and known.toml, entry 2" in problem


def test_another_package_may_override_what_it_did_not_write(
    tmp_path: Path, registry: Registry
) -> None:
    paths = [tmp_path / name / "known.toml" for name in ("theirs", "ours")]
    for path in paths:
        path.parent.mkdir()
        path.write_text(entry())
    assert not examine_expectations(paths, registry, today=TODAY).problems


def test_pages_are_looked_for_in_the_project_that_holds_the_file(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixtures = tmp_path / "fixtures"
    path = fixtures / "expectations" / "known.toml"
    path.parent.mkdir(parents=True)
    path.write_text(entry(issue="docs/findings/theirs.md"))
    monkeypatch.setattr("harness.configs.plugins._fixture_directories", [fixtures])
    assert not examine_expectations((path,), registry, today=TODAY).problems  # no pages there
    (tmp_path / "docs" / "findings").mkdir(parents=True)
    (problem,) = examine_expectations((path,), registry, today=TODAY).problems
    assert "there is no such page" in problem
    (tmp_path / "docs" / "findings" / "theirs.md").touch()
    assert not examine_expectations((path,), registry, today=TODAY).problems


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
def test_an_inactive_entry_says_why(
    path: Path, registry: Registry, versions: dict[str, str], inactive: str
) -> None:
    examined = examine(path, entry(versions=versions), registry)
    assert [one.inactive for one in examined.known] == [inactive]
    assert bool(examined.active.entries) is not bool(inactive)


def test_an_inactive_entry_must_match_all_the_same(path: Path, registry: Registry) -> None:
    (problem,) = examine(path, entry(versions={"pytest": "<1"}, opsets="7"), registry).problems
    assert "matches no pair" in problem


@pytest.mark.parametrize(("day", "is_expired"), [("2026-01-30", True), ("2026-01-31", False)])
def test_an_entry_holds_until_the_end_of_its_last_day(
    path: Path, registry: Registry, day: str, is_expired: bool
) -> None:
    assert bool(examine(path, entry(expires=day), registry).problems) is is_expired


def test_expiry_counts_from_today(path: Path, registry: Registry) -> None:
    path.write_text(entry(expires="2020-01-01"))
    with pytest.raises(UsageError, match="expired on 2020-01-01"):
        load_expectations((path,), registry)
    path.write_text(entry(expires="9999-01-01"))
    assert load_expectations((path,), registry).entries


def test_the_own_model_of_an_architecture_can_be_named_alone(path: Path) -> None:
    models = {TinyModel("bert"): ("fill-mask",), TinyModel("bert", "tall"): ("fill-mask",)}
    registry = Registry(tasks=models, exporters=("dynamo",), requirements=("agreement",))
    for name, covered in (("bert~", {"bert"}), ("bert", {"bert", "bert~tall"})):
        (known,) = examine(path, entry(architecture=name, exporter="*"), registry).active.entries
        assert set(map(str, known.box.models)) == covered
