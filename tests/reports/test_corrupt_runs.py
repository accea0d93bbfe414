"""Each command either refuses a corrupt run file by name, or shows the run as incomplete."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.records import RUN_FILE, SCHEMA_VERSION, Outcome, dump_line
from reports.__main__ import main

CELLS = ("bert/fill-mask/opset18/dynamo", "gpt2/text-generation/opset17/torchscript")
Lines = list[str]
Corrupt = Callable[[Lines], Lines]


def _another_schema(lines: Lines) -> Lines:
    return [json.dumps({**json.loads(lines[0]), "schema_version": SCHEMA_VERSION + 1}), *lines[1:]]


def _failed_before(lines: Lines) -> Lines:
    """The pair that passed also has a record of a failure; it is unknown which one counts."""
    failed = json.dumps({**json.loads(lines[1]), "outcome": "failed"})
    return [lines[0], failed, *lines[1:]]


def _unplanned(lines: Lines) -> Lines:
    record = {**json.loads(lines[1]), "requirement": "checker", "outcome": "failed"}
    return [*lines[:-1], json.dumps(record), lines[-1]]


REFUSED: dict[str, tuple[Corrupt, str]] = {
    "empty": (lambda lines: [], "starts with its one header, found 0"),
    "truncated line": (lambda lines: [*lines[:2], lines[2][:-9], *lines[3:]], "run.jsonl:3: not a"),
    "missing header": (lambda lines: lines[1:], "starts with its one header, found 0"),
    "two runs": (lambda lines: lines * 2, "starts with its one header, found 2"),
    "duplicate record": (lambda lines: [*lines[:2], *lines[1:]], "has two records of export"),
    "contradicting record": (_failed_before, "has two records of export"),
    "unknown schema": (_another_schema, f"schema version {SCHEMA_VERSION + 1}"),
    "after the footer": (lambda lines: [*lines[:-2], *lines[:-3:-1]], "lines follow its footer"),
}
INCOMPLETE: dict[str, Corrupt] = {
    "missing footer": lambda lines: lines[:-1],
    "missing record": lambda lines: [*lines[:2], *lines[3:]],
    "unplanned pair": _unplanned,
    "cut anywhere": lambda lines: [*lines[:-1], lines[-1][:-9] + "\0"],
}


@pytest.fixture
def corrupted(runs: Any) -> Callable[[Corrupt], tuple[str, str]]:
    """A function that writes a complete green run and a corrupt copy of it."""

    def write(corrupt: Corrupt) -> tuple[str, str]:
        lines = [runs.header(*CELLS), *runs.passing(*CELLS), runs.complete]
        good = runs.write(*lines, name="good")
        bad = runs.write(*lines, name="bad")
        # A torn last line, as a killed process leaves it, has no newline.
        text = "".join(f"{line}\n" for line in corrupt([dump_line(line) for line in lines]))
        (bad / RUN_FILE).write_text(text.replace("\0\n", ""), encoding="utf-8")
        return str(good), str(bad)

    return write


def words(command: str, good: str, bad: str, output: Path) -> list[str]:
    return {
        "html": ["html", bad, "-o", str(output)],
        "diff": ["diff", good, bad],
        "merge": ["merge", bad, "-o", str(output)],
        "summary": ["summary", bad],
        "badges": ["badges", bad, "-o", str(output)],
        "trend": ["trend", str(output), bad],
    }[command]


COMMANDS = ("html", "diff", "merge", "summary", "badges", "trend")


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_refused_file_is_one_line_that_names_the_defect(
    corrupted: Callable[[Corrupt], tuple[str, str]],
    command: str,
    kind: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    corrupt, message = REFUSED[kind]
    status = main(words(command, *corrupted(corrupt), tmp_path / "new"))
    captured = capsys.readouterr()
    assert (status, captured.out, captured.err.count("\n")) == (2, "", 1)
    assert message in captured.err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("kind", INCOMPLETE)
@pytest.mark.parametrize("command", COMMANDS)
def test_it_is_shown_to_be_incomplete(
    corrupted: Callable[[Corrupt], tuple[str, str]],
    command: str,
    kind: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "new"
    status = main(words(command, *corrupted(INCOMPLETE[kind]), output))
    shown = capsys.readouterr().out
    match command:
        case "html":
            shown = (output / "index.html").read_text(encoding="utf-8")
        case "merge":
            footer = json.loads((output / RUN_FILE).read_text(encoding="utf-8").splitlines()[-1])
            assert (footer["complete"], footer["exit_status"]) == (False, 1)
            shown = (output / "index.html").read_text(encoding="utf-8")
        case "badges":
            shown = (output / "project.json").read_text(encoding="utf-8")
            assert json.loads(shown)["color"] == "lightgrey"
    assert status == (1 if command == "diff" else 0)
    assert "ncomplete" in shown or "nterrupted" in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_a_complete_run_is_not_called_incomplete(
    corrupted: Callable[[Corrupt], tuple[str, str]],
    command: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(words(command, *corrupted(lambda lines: lines), tmp_path / "new")) == 0
    assert "ncomplete" not in capsys.readouterr().out


def test_a_failure_that_was_not_planned_is_never_green(runs: Any) -> None:
    from reports.verdict import verdict_of

    failed = runs.record(CELLS[0], "checker", Outcome.FAILED)
    run = runs.read(runs.header(*CELLS), *runs.passing(*CELLS), failed, runs.complete)
    verdict = verdict_of(run, run.reports())
    assert verdict.level == "incomplete"
    assert "1 records belong to pairs that the run's header does not plan" in verdict.sentence
