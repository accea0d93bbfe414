"""`expectations update` makes a red run green once reasons are written; lines of cells that the run
did not judge stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_runs import CELL, NO_EXPECTATIONS, SMALL, Result, Rule, RunPytest, rule

from harness.cli import main
from harness.matrix.expectations import UNWRITTEN

VIT = "vit/image-classification/opset14/torchscript"
BAD = ("failed", "inconclusive", "crashed")
RULES = [
    rule("failed"),
    rule("skipped", requirement="agreement"),
    rule("inconclusive", cell="vit/*/opset1?/torchscript", requirement="cache"),
    rule("exit", cell="vit/*/opset18/dynamo", requirement="weights"),
]


@pytest.fixture
def known(project: Path) -> Path:
    path: Path = project / NO_EXPECTATIONS
    return path


def update(result: Result, known: Path) -> None:
    """Write the proposed entries, and fill in reasons and issues as a person would."""
    words = ("expectations", "update", result.directory, "--expectations", known, "--write")
    assert main([str(word) for word in words]) == 0
    for path in known.glob("*.toml"):
        text = path.read_text().replace(f'issue = "{UNWRITTEN}"', 'issue = "https://example.org"')
        path.write_text(text.replace(UNWRITTEN, "understood"))


def files_of(known: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in known.iterdir()}


def test_a_run_is_green_after_its_update(run_pytest: RunPytest, known: Path) -> None:
    arguments = (*SMALL, "-n", "2")
    red = run_pytest(*arguments, rules=RULES, run_dir="red")
    assert red.status == 1
    update(red, known)
    green = run_pytest(*arguments, rules=RULES, run_dir="green")
    assert green.status == 0, green.output
    assert "xpassed" not in green.output
    expected = {pair for pair, one in red.run.records.items() if one.outcome in BAD}
    assert {p for p, one in green.run.records.items() if one.outcome == "xfailed"} == expected


def test_what_passes_later_is_taken_off_again(run_pytest: RunPytest, known: Path) -> None:
    update(run_pytest(*SMALL, "-n", "2", rules=RULES, run_dir="red"), known)
    fewer: list[Rule] = [rule("failed"), rule("inconclusive", cell=VIT, requirement="cache")]
    mended = run_pytest(*SMALL, rules=fewer, run_dir="mended")
    assert mended.status == 1
    update(mended, known)
    green = run_pytest(*SMALL, rules=fewer, run_dir="green")
    assert green.status == 0, green.output


@pytest.mark.parametrize("selection", [("--architecture", "vit"), ("--requirement", "export")])
def test_a_run_of_less_leaves_the_rest(
    run_pytest: RunPytest, known: Path, selection: tuple[str, str]
) -> None:
    update(run_pytest(*SMALL, rules=[rule("failed")], run_dir="red"), known)
    before = files_of(known)
    assert before
    update(run_pytest(*SMALL, *selection, run_dir="less"), known)
    assert files_of(known) == before


def test_an_interrupted_run_leaves_what_it_did_not_reach(
    run_pytest: RunPytest, known: Path
) -> None:
    rules = [rule("failed", cell="vit/*/torchscript"), rule("failed")]
    update(run_pytest(*SMALL, rules=rules, run_dir="red"), known)
    interrupted = run_pytest(
        *SMALL, rules=[rule("interrupt", cell=VIT, requirement="opset")], run_dir="interrupted"
    )
    assert interrupted.run.records[CELL, "checker"].outcome == "xpassed"
    assert interrupted.run.records[VIT, "checker"].outcome == "not_run"
    update(interrupted, known)
    text = "".join(files_of(known).values())
    assert "vit" in text
    assert "bert" not in text.replace("[bert", "")
