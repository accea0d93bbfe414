"""Which changes between two runs are regressions, and how each format shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.records import Header, Outcome, Record, Run
from reports.__main__ import main
from reports.diff import ChangedSetting, ChangeKind, Diff, compare
from reports.diff_output import Format, write_diff

BERT = "bert/fill-mask/opset18/dynamo"
GPT2 = "gpt2/text-generation/opset17/torchscript"
VIT = "vit/image-classification/opset18/dynamo"
SAID = {Outcome.NOT_APPLICABLE: "no cache", Outcome.FAILED: "values of logits: got 1\nreplay: x"}


def run_of(runs: Any, outcomes: Mapping[str, Outcome | None], **fields: Any) -> Run:
    """Return a run of BERT with these outcomes; None means planned, but without a record."""
    header: Header = runs.header(BERT, planned={BERT: list(outcomes)}, **fields)
    records = [
        runs.record(BERT, name, outcome, message=SAID.get(outcome, ""))
        for name, outcome in outcomes.items()
        if outcome is not None
    ]
    run: Run = runs.read(header, *records, runs.complete)
    return run


def kinds(diff: Diff) -> dict[str, str]:
    return {pair.requirement: str(change.kind) for change in diff.cells for pair in change.pairs}


def between(runs: Any, old: Outcome | None, new: Outcome | None) -> str | None:
    """Return the kind of one pair's change, in runs whose other pair passes in both."""
    pairs = [{"agreement": outcome, "other": Outcome.PASSED} for outcome in (old, new)]
    found = kinds(compare(*(run_of(runs, pair) for pair in pairs)))
    assert "other" not in found
    return found.get("agreement")


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("passed", "passed", None),
        ("passed", "failed", "regressed"),
        ("passed", "crashed", "regressed"),
        ("passed", "timed_out", "regressed"),
        ("passed", "errored", "regressed"),
        ("passed", "inconclusive", "regressed"),
        ("passed", "skipped", "regressed"),
        ("passed", "xpassed", "regressed"),
        ("passed", "xfailed", "newly_expected"),
        ("passed", "not_run", "lost"),
        ("passed", "not_applicable", "removed"),
        ("failed", "failed", "still_failing"),
        ("failed", "crashed", "still_failing"),
        ("failed", "passed", "fixed"),
        ("failed", "xpassed", "fixed"),
        ("failed", "xfailed", "newly_expected"),
        ("failed", "not_run", "lost"),
        ("failed", "not_applicable", "removed"),
        ("xfailed", "xfailed", None),
        ("xfailed", "passed", "fixed"),
        ("xfailed", "xpassed", "fixed"),
        ("xfailed", "failed", "regressed"),
        ("xfailed", "not_run", "lost"),
        ("xpassed", "xpassed", "still_failing"),
        ("xpassed", "passed", "fixed"),
        ("xpassed", "failed", "regressed"),
        ("not_applicable", "not_applicable", None),
        ("not_applicable", "passed", "added"),
        ("not_applicable", "failed", "regressed"),
        ("not_applicable", "not_run", "lost"),
        ("not_run", "not_run", "still_failing"),
        ("not_run", "passed", "added"),
        ("not_run", "failed", "regressed"),
    ],
)
def test_every_change_has_its_kind(runs: Any, old: str, new: str, kind: str | None) -> None:
    assert between(runs, Outcome(old), Outcome(new)) == kind


def test_a_record_that_is_missing_is_lost(runs: Any) -> None:
    assert between(runs, Outcome.PASSED, None) == "lost"


def test_a_skip_behind_an_expected_failure_is_expected_too(runs: Any) -> None:
    passed = {"export": Outcome.PASSED, "agreement": Outcome.PASSED}
    xfailed = {"export": Outcome.XFAILED, "agreement": Outcome.SKIPPED}
    failed = {"export": Outcome.FAILED, "agreement": Outcome.SKIPPED}
    good, expected, bad = (run_of(runs, outcomes) for outcomes in (passed, xfailed, failed))
    assert set(kinds(compare(good, expected)).values()) == {"newly_expected"}
    assert set(kinds(compare(good, bad)).values()) == {"regressed"}
    assert set(kinds(compare(expected, bad)).values()) == {"regressed"}
    assert kinds(compare(expected, expected)) == {}


def test_only_regressed_and_lost_are_regressions(runs: Any) -> None:
    def is_red(old: Outcome, new: Outcome) -> bool:
        diff = compare(run_of(runs, {"export": old}), run_of(runs, {"export": new}))
        return bool(diff.regressions)

    assert is_red(Outcome.PASSED, Outcome.FAILED)
    assert is_red(Outcome.PASSED, Outcome.NOT_RUN)
    for new in (Outcome.XFAILED, Outcome.NOT_APPLICABLE, Outcome.PASSED):
        assert not is_red(Outcome.PASSED, new)
    assert not is_red(Outcome.FAILED, Outcome.FAILED)


def test_cells_are_led_by_the_failure_that_explains_the_rest(runs: Any) -> None:
    old = run_of(runs, dict.fromkeys(("export", "checker", "agreement"), Outcome.PASSED))
    rest = {"checker": Outcome.FAILED, "agreement": Outcome.SKIPPED}
    new = run_of(runs, {"export": Outcome.SKIPPED, **rest})
    (change,) = compare(old, new).cells
    assert (change.cell, change.kind, len(change.pairs)) == (BERT, ChangeKind.REGRESSED, 3)
    assert change.lead.requirement == "checker"
    assert change.lead.message == "values of logits: got 1"


def test_a_fixed_cell_shows_its_old_message(runs: Any) -> None:
    old, new = (run_of(runs, {"export": o}) for o in (Outcome.FAILED, Outcome.PASSED))
    assert compare(old, new).cells[0].lead.message == "values of logits: got 1"


def test_changed_settings_are_listed(runs: Any) -> None:
    old = runs.read(runs.header(BERT, versions={"torch": "2.9.0", "onnx": "1.19.0"}))
    new = runs.read(runs.header(BERT, versions={"torch": "2.10.0", "ort": "1"}, seed=8))
    assert compare(old, new).changed_settings == (
        ChangedSetting(name="torch", old="2.9.0", new="2.10.0"),
        ChangedSetting(name="onnx", old="1.19.0", new=None),
        ChangedSetting(name="seed", old="7", new="8"),
        ChangedSetting(name="ort", old=None, new="1"),
    )


@pytest.mark.parametrize(
    "other",
    [
        {"planned": {BERT: ["export"]}},
        {"planned": {BERT: ["export", "agreement", "cache"]}},
        {"planned": {VIT: ["export", "agreement"]}},
        {"profile": "pr"},
    ],
)
def test_different_plans_are_refused_unless_allowed(runs: Any, other: dict[str, Any]) -> None:
    old, new = runs.read(runs.header(BERT)), runs.read(runs.header(BERT, **other))
    with pytest.raises(UsageError, match=r"different plans .*--allow-different"):
        compare(old, new)
    compare(old, new, allow_different=True)


def test_the_order_of_a_plan_is_not_part_of_it(runs: Any) -> None:
    assert not compare(
        runs.read(runs.header(BERT, VIT)), runs.read(runs.header(VIT, BERT))
    ).changed_settings


def test_pairs_of_one_plan_only_are_added_or_removed(runs: Any) -> None:
    old = runs.read(runs.header(BERT, GPT2), *runs.passing(BERT, GPT2))
    new = runs.read(runs.header(BERT, VIT), *runs.passing(BERT, VIT))
    diff = compare(old, new, allow_different=True)
    assert [(c.kind, c.cell, c.lead.old, c.lead.new) for c in diff.cells] == [
        (ChangeKind.ADDED, VIT, None, Outcome.PASSED),
        (ChangeKind.REMOVED, GPT2, Outcome.PASSED, None),
    ]
    assert not diff.regressions


@pytest.mark.parametrize(
    ("old", "new", "drifts"),
    [
        (1e-6, 2.1e-6, True),
        (1e-6, 2e-6, False),
        (1e-6, 1e-7, False),
        (1e-8, 9e-8, False),
        (0.0, 1.1e-7, True),
        (0.0, 1e-7, False),
    ],
)
def test_a_needed_tolerance_that_more_than_doubles_drifts(
    runs: Any, old: float, new: float, drifts: bool
) -> None:
    diff = compare(*(agreeing(runs, {"logits": n, "same": 1e-6}) for n in (old, new)))
    assert [(d.output, d.old, d.new) for d in diff.drifted] == [("logits", old, new)] * drifts
    assert not diff.regressions


def test_only_what_passed_twice_drifts(runs: Any) -> None:
    small = agreeing(runs, {"logits": 1e-6})
    failed = agreeing(runs, {"logits": 1e-2, "other": float("nan")}, Outcome.FAILED)
    other = agreeing(runs, {"other": 1e-2})
    assert not compare(small, failed).drifted
    assert not compare(small, other).drifted


def agreeing(runs: Any, needed: Mapping[str, float], outcome: Outcome = Outcome.PASSED) -> Run:
    record: Record = runs.record(BERT, "agreement", outcome, needed_atol=needed)
    run: Run = runs.read(runs.header(BERT), record)
    return run


@pytest.fixture
def pair(runs: Any) -> tuple[Path, Path]:
    """An old run, and a new run of the same plan with every possible kind of change."""
    old = [
        runs.record(BERT, "export", Outcome.PASSED),
        runs.record(BERT, "agreement", Outcome.PASSED),
        runs.record(GPT2, "export", Outcome.FAILED, message="no file | `at` all\nmore"),
        runs.record(GPT2, "agreement", Outcome.SKIPPED),
        runs.record(VIT, "export", Outcome.PASSED),
        runs.record(VIT, "agreement", Outcome.PASSED, needed_atol={"logits": 1e-6}),
    ]
    new = [
        runs.record(BERT, "export", Outcome.FAILED, message="no file"),
        runs.record(BERT, "agreement", Outcome.SKIPPED),
        runs.record(GPT2, "export", Outcome.PASSED),
        runs.record(GPT2, "agreement", Outcome.FAILED, message="differs"),
        runs.record(VIT, "export", Outcome.NOT_RUN),
        runs.record(VIT, "agreement", Outcome.PASSED, needed_atol={"logits": 1e-5}),
    ]
    cells = (BERT, GPT2, VIT)
    end = runs.complete
    changed = {"run": "later", "versions": {"torch": "2.10.0"}}
    return (
        runs.write(
            runs.header(*cells, run="before", versions={"torch": "2.9.0"}), *old, end, name="o"
        ),
        runs.write(runs.header(*cells, **changed), *new, end, name="n"),
    )


def test_text_reads_from_top_to_bottom(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", *map(str, pair)]) == 1
    assert capsys.readouterr().out == (
        "changed: torch 2.9.0 -> 2.10.0\n"
        "before -> later: the new run is incomplete; regressions (cells: 1 regressed, 1 lost,"
        " 1 fixed, 1 still failing, 1 drifted)\n"
        "incomplete: new run later: Incomplete run. 1 planned records have no verdict and are shown"
        " as “not run”. An incomplete run is never green, whatever the matrix shows.\n"
        "\n"
        "regressed: 1\n"
        f"  {BERT} export passed -> failed (and 1 more): no file\n"
        "\n"
        "lost: 1\n"
        f"  {VIT} export passed -> not_run\n"
        "\n"
        "fixed: 1\n"
        f"  {GPT2} export failed -> passed: no file | `at` all\n"
        "\n"
        "still failing: 1\n"
        f"  {GPT2} agreement skipped -> failed: differs\n"
        "\n"
        "drifted: 1\n"
        f"  {VIT} agreement logits: needed atol 1e-06 -> 1e-05\n"
    )


def test_markdown_quotes_what_others_wrote(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", *map(str, pair), "--format", "markdown"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "**Changed:** `torch` `2.9.0` -> `2.10.0`"
    assert f"- `{GPT2}` `export` failed -> passed: ``no file | `at` all``" in lines
    assert lines.count("<details><summary>Still failing: 1</summary>") == 1


def test_json_is_valid_against_its_schema(
    pair: tuple[Path, Path],
    validated: Callable[[str, str], Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["diff", *map(str, pair), "--format", "json"]) == 1
    data = validated(capsys.readouterr().out, "diff")
    assert data["regressions"] is True
    assert [reason.partition(":")[0] for reason in data["incomplete"]] == ["new run later"]
    assert data["changed"] == [{"name": "torch", "old": "2.9.0", "new": "2.10.0"}]
    assert data["regressed"][0]["requirements"] == [
        {"requirement": "export", "old": "passed", "new": "failed", "message": "no file"},
        {"requirement": "agreement", "old": "passed", "new": "skipped", "message": ""},
    ]
    assert data["drifted"][0]["new"] == 1e-5


def test_no_change_is_status_0(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", str(pair[0]), str(pair[0])]) == 0
    assert "no regressions" in capsys.readouterr().out


def test_a_run_that_was_cut_short_is_status_1_although_all_that_it_has_passed(
    runs: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [runs.header(BERT), *runs.passing(BERT)]
    whole = str(runs.write(*lines, runs.complete, name="whole"))
    cut = str(runs.write(*lines, name="cut"))
    assert main(["diff", whole, cut]) == 1
    assert "the new run is incomplete; no regressions" in capsys.readouterr().out
    assert main(["diff", cut, whole]) == main(["diff", cut, cut]) == 0
    assert "incomplete: old run" in capsys.readouterr().out


def test_other_plans_are_one_line_with_status_2(
    runs: Any, pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [runs.header(BERT), *runs.passing(BERT), runs.complete]
    other = str(runs.write(*lines, name="other"))
    assert main(["diff", str(pair[0]), other]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert "4 pairs only in the old run, 0 only in the new run" in captured.err
    assert main(["diff", str(pair[0]), other, "--allow-different"]) == 0


def test_hostile_names_stay_names(
    runs: Any, validated: Callable[[str, str], Any], outside_code: Callable[[str], str]
) -> None:
    cell, said = runs.hostile_cell, runs.hostile_text
    failed = runs.record(cell, "export", Outcome.FAILED, message=said)
    header = runs.header(cell, run=said, versions={said: said})
    diff = compare(runs.read(runs.header(cell), *runs.passing(cell)), runs.read(header, failed))
    text, markdown = (write_diff(diff, form) for form in (Format.TEXT, Format.MARKDOWN))
    for shown in (text, markdown):
        shown.encode("utf-8")
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    assert len(text.splitlines()) == 10
    assert [line for line in markdown.splitlines() if line.startswith("# more")] == []
    assert "@everyone" not in outside_code(markdown)
    assert "<script>" not in outside_code(markdown)
    found = validated(write_diff(diff, Format.JSON), "diff")
    assert found["regressed"][0]["cell"] == cell
