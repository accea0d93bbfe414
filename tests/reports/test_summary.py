"""The summary of a run for pull requests: at most 20 lines for every run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.records import CellId, Footer, Outcome, Run
from reports.__main__ import main
from reports.cli import STEP_SUMMARY
from reports.summary import MAX_LINES, summary_lines
from reports.tally import architecture_of, collapsed, rows, tally, unexpected

BERT = "bert/fill-mask/opset18/dynamo"
GPT2 = "gpt2/text-generation/opset17/torchscript"
VIT = "vit/image-classification/opset18/dynamo"


@pytest.fixture(autouse=True)
def _no_step_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STEP_SUMMARY, raising=False)


def large(runs: Any, outcome: Outcome, *, architectures: int) -> Run:
    """Return a run of many cells that all ended with `outcome`."""
    names = [f"model-{index}" for index in range(architectures)]
    cells = [f"{name}/fill-mask/opset{opset}/dynamo" for name in names for opset in range(9, 26)]
    records = [
        runs.record(c, r, outcome, message="x" * 999)
        for c in cells
        for r in ("export", "agreement")
    ]
    modalities = {name: f"modality-{index % 9}" for index, name in enumerate(names)}
    run: Run = runs.read(runs.header(*cells, modalities=modalities), *records, runs.complete)
    return run


def test_a_small_green_run(runs: Any) -> None:
    run = runs.read(runs.header(BERT, VIT), *runs.passing(BERT, VIT), runs.complete)
    assert summary_lines(run) == [
        "### ✅ Complete, as expected: 2 of 2 planned cells ended as expected.",
        "",
        "Run `2025-01-02-nightly`: `profile` `nightly`, `seed` `7`, `python` `3.11.2`, "
        "`torch` `2.9.0`, `onnx` `1.19.0`",
        "",
        "| architecture | cells | passed |",
        "| --- | ---: | ---: |",
        "| `bert` | 1 | 1 |",
        "| `vit` | 1 | 1 |",
        "| `total` | 2 | 2 |",
    ]


def test_the_worst_cells_come_with_their_headlines(runs: Any) -> None:
    failed = runs.record(BERT, "export", Outcome.FAILED, message="no file\nat all")
    crashed = runs.record(VIT, "agreement", Outcome.CRASHED, message="died")
    skipped = runs.record(BERT, "agreement", Outcome.SKIPPED)
    exported = runs.record(VIT, "export", Outcome.PASSED)
    footer = Footer(counts={}, exit_status=1, complete=True)
    run = runs.read(runs.header(BERT, VIT), failed, skipped, exported, crashed, footer)
    lines = summary_lines(run)
    assert lines[0].startswith("### ❌ Not as expected: 0 of 2 planned cells")
    assert lines[-3:] == [
        "",
        f"- `{VIT}` crashed `agreement`: `died`",
        f"- `{BERT}` failed `export`: `no file`",
    ]


def test_what_is_new_comes_first_and_is_marked(runs: Any) -> None:
    header = runs.header(BERT, VIT, versions={"torch": "2.9.0"}, run="before")
    crashed = [
        runs.record(VIT, name, Outcome.CRASHED, message="died") for name in ("export", "agreement")
    ]
    failed = [runs.record(BERT, "export", Outcome.FAILED, message="no file"), runs.passing(BERT)[1]]
    old = runs.read(header, *runs.passing(BERT), *crashed, runs.complete)
    new = runs.header(BERT, VIT, versions={"torch": "2.10.0"})
    assert summary_lines(runs.read(new, *failed, *crashed, runs.complete), old)[-5:] == [
        "",
        f"- **new** `{BERT}` failed `export`: `no file`",
        f"- `{VIT}` crashed `export`: `died`",
        "",
        "Compared with `before`: regressions (cells: 1 regressed, 1 still failing); "
        "changed: `torch` `2.9.0` -> `2.10.0`",
    ]


def test_a_baseline_may_have_another_plan(runs: Any) -> None:
    old = runs.read(runs.header(BERT, GPT2), *runs.passing(BERT, GPT2), runs.complete)
    new = runs.read(runs.header(BERT), *runs.passing(BERT), runs.complete)
    assert "no regressions (cells: 1 removed)" in summary_lines(new, old)[-1]


def test_an_interrupted_run_says_so_first(runs: Any) -> None:
    run = runs.read(runs.header(BERT), *runs.passing(BERT)[:1])
    first = summary_lines(run)[0]
    assert first.startswith("### ⚠️ Interrupted run: 1 planned records have no verdict")


def test_written_records_that_were_not_run_make_a_run_incomplete(runs: Any) -> None:
    record = runs.record(BERT, "agreement", Outcome.NOT_RUN)
    run = runs.read(runs.header(BERT), runs.passing(BERT)[0], record, runs.complete)
    assert summary_lines(run)[0].startswith("### ⚠️ Incomplete run: 1 planned records")


@pytest.mark.gate_cases(12)
@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("architectures", [1, 4, 5, 40])
def test_no_run_takes_more_than_20_lines(runs: Any, outcome: Outcome, architectures: int) -> None:
    run = large(runs, outcome, architectures=architectures)
    against = large(runs, Outcome.PASSED, architectures=architectures)
    for lines in (summary_lines(run), summary_lines(run, against)):
        assert len(lines) <= MAX_LINES
        assert not any("\n" in line for line in lines)
        assert all(len(line) < 500 for line in lines)


def test_all_lines_are_used_and_what_is_left_out_is_counted(runs: Any) -> None:
    run = large(runs, Outcome.FAILED, architectures=4)
    lines = summary_lines(run)
    shown = [line for line in lines if line.startswith("- `")]
    assert len(lines) == MAX_LINES
    assert lines[-1] == f"- and {4 * 17 - len(shown)} more cells"


def test_many_architectures_are_counted_by_modality_and_many_of_those_as_others(runs: Any) -> None:
    table = [
        line for line in summary_lines(large(runs, Outcome.PASSED, architectures=40)) if "|" in line
    ]
    assert table[0].startswith("| modality |")
    assert [line.split("`")[1] for line in table[2:]] == [
        "modality-0",
        "modality-1",
        "modality-2",
        "6 others",
        "total",
    ]
    assert sum(int(line.split("|")[2]) for line in table[2:-1]) == 40 * 17


def test_variants_count_for_their_architecture() -> None:
    names = ["gpt2~big", "gpt2", "lib:gpt2~x"]
    cells = [CellId.parse(f"{name}/fill-mask/opset18/dynamo") for name in names]
    assert [architecture_of(cell) for cell in cells] == ["gpt2", "gpt2", "lib:gpt2"]


def test_tables_leave_out_outcomes_that_nothing_has(runs: Any) -> None:
    failed = runs.record(VIT, "export", Outcome.FAILED)
    reports = runs.read(runs.header(VIT, BERT), failed, *runs.passing(BERT)).reports()
    assert list(rows(tally(reports, architecture_of), title="x")) == [
        ("x", "cells", "failed", "passed"),
        ("bert", "1", "0", "1"),
        ("vit", "1", "1", "0"),
        ("total", "2", "1", "1"),
    ]


def test_as_many_names_as_fit_are_kept(runs: Any) -> None:
    counts = tally(large(runs, Outcome.PASSED, architectures=4).reports(), architecture_of)
    assert collapsed(counts, 4) == counts
    assert list(collapsed(counts, 3)) == ["model-0", "model-1", "2 others"]


def test_unexpected_cells_stand_from_worst_to_best(runs: Any) -> None:
    outcomes = {BERT: Outcome.FAILED, GPT2: Outcome.CRASHED, VIT: Outcome.XFAILED}
    records = [runs.record(c, n, o) for c, o in outcomes.items() for n in ("export", "agreement")]
    reports = runs.read(runs.header(*outcomes), *records).reports()
    assert [str(report.cell) for report in unexpected(reports)] == [GPT2, BERT]


def test_hostile_names_stay_names(runs: Any, outside_code: Callable[[str], str]) -> None:
    cell, said = runs.hostile_cell, runs.hostile_text
    architecture = CellId.parse(cell).architecture
    header = runs.header(cell, run=said, versions={said: said}, modalities={architecture: said})
    old = runs.read(runs.header(cell, run=said), *runs.passing(cell))
    failed = runs.record(cell, "export", Outcome.FAILED, message=said)
    lines = summary_lines(runs.read(header, failed, runs.complete), old)
    text = "\n".join(lines)
    text.encode("utf-8")
    assert len(lines) <= MAX_LINES
    assert "\x1b" not in text
    assert "\u202e" not in text
    markup = outside_code(text)
    assert "@everyone" not in markup
    assert "<" not in markup
    table = [line.replace("\\|", "") for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1


def test_the_command_prints_and_appends(
    runs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(runs.write(runs.header(BERT), *runs.passing(BERT), runs.complete))
    target = tmp_path / "step"
    target.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv(STEP_SUMMARY, str(target))
    assert main(["summary", run, "--baseline", run]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("### ✅ Complete")
    assert printed.rstrip().endswith("no regressions (cells: nothing changed)")
    assert target.read_text(encoding="utf-8") == f"before\n{printed}\n"


def test_a_step_summary_that_cannot_be_written_is_one_line(
    runs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(runs.write(runs.header(BERT), *runs.passing(BERT), runs.complete))
    monkeypatch.setenv(STEP_SUMMARY, str(tmp_path))
    assert main(["summary", run]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1


def test_a_missing_baseline_is_one_line(
    runs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(runs.write(runs.header(BERT)))
    assert main(["summary", run, "--baseline", str(tmp_path / "gone")]) == 2
    assert "gone: no run file here" in capsys.readouterr().err
