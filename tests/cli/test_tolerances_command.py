"""`tolerances`: the atol that a cell needs, the largest allowed one, and the proposed one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness import BertOnnxConfig, register_exporter
from harness.evidence.fixture_text import with_member
from harness.evidence.models import read_tiny
from harness.exporters.torchscript import TorchScriptExporter

PAIR = "bert/fill-mask"
CELL = f"{PAIR}/opset18/torchscript"
BERT = ("--architecture", "bert", "--task", "fill-mask", "--max-examples", 5)


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Declare another tolerance for BERT."""
    return lambda atol: monkeypatch.setattr(BertOnnxConfig, "ATOL_FOR_VALIDATION", atol)


@pytest.fixture
def measure(run: Any) -> Any:
    """Run `tolerances` on the TorchScript export of BERT."""
    return lambda *options: run("tolerances", *BERT, "--exporter", "torchscript", *options)


def test_a_tolerance_that_is_measured_holds(measure: Any, declare: Any) -> None:
    declare(3e-5)
    result = measure()
    assert result.status == 0
    rows = {line.split()[1]: line for line in result.out.splitlines() if line.startswith("✓")}
    assert set(rows) == {CELL, PAIR}
    assert "3.00e-05" in rows[CELL]
    assert result.out.splitlines()[-1] == (
        "all hold: 1 of 1 tolerances hold, 1 of 1 cells were measured"
    )


def test_json_says_where_most_is_needed(measure: Any, declare: Any) -> None:
    declare(3e-5)
    report = measure("--json").json("tolerances")
    (cell,), (tolerance,) = report["cells"], report["tolerances"]
    assert report["holds"] is report["complete"] is True
    assert (cell["cell"], cell["needed"]["output"]) == (CELL, "logits")
    assert set(cell["needed"]["axes"]) == {"batch_size", "sequence_length"}
    assert cell["needed"]["max_abs_diff"] < tolerance["proposed"] <= tolerance["allowed"]


def test_the_seed_chooses_the_examples(measure: Any) -> None:
    first, again, other = (
        measure("--json", "--seed", seed).json("tolerances") for seed in (1, 1, 2)
    )
    assert first == again
    assert first["cells"] != other["cells"]


def test_a_tolerance_that_is_too_low_does_not_hold(measure: Any, declare: Any) -> None:
    declare(1e-9)
    result = measure()
    assert result.status == 1
    assert f"atol of {PAIR}: got 1e-09, expected at least" in result.out
    assert f"which {CELL} needed" in result.out
    assert f"✗  {CELL}" in result.out


def test_a_tolerance_of_more_than_ten_roundings_does_not_hold(measure: Any, declare: Any) -> None:
    declare(1e-2)
    result = measure()
    assert result.status == 1
    assert f"✓  {CELL}" in result.out
    assert f"atol of {PAIR}: got 0.01, expected at most" in result.out


@pytest.fixture
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """BERT's tiny model in the fixtures of another package, formatted otherwise."""
    path = tmp_path / "models" / "bert.json"
    path.parent.mkdir()
    monkeypatch.setattr("harness.configs.plugins._fixture_directories", [tmp_path])
    path.write_text(json.dumps(read_tiny("bert"), indent=4))
    return path


def _store(path: Path, tolerances: dict[str, float]) -> str:
    text = with_member(path.read_text(), "atol", tolerances)
    path.write_text(text)
    return text


def test_a_proposal_replaces_a_stored_tolerance_that_does_not_hold(
    measure: Any, own_file: Path
) -> None:
    before = _store(own_file, {"fill-mask": 1e-9, "multiple-choice": 1e-3})
    proposed = measure("--json").json("tolerances")["tolerances"][0]["proposed"]
    assert own_file.read_text() == before
    result = measure("--write")
    assert (result.status, result.err) == (0, f"wrote {own_file}: fill-mask {proposed:g}\n")
    after = own_file.read_text()
    assert after == before.replace("1e-09", json.dumps(proposed))
    assert (measure("--write").err, own_file.read_text()) == ("", after)


def test_a_tolerance_is_stored_where_none_is(measure: Any, own_file: Path) -> None:
    _store(own_file, {})
    report = measure("--json").json("tolerances")
    assert (report["holds"], report["tolerances"][0]["atol"]) == (True, None)
    assert "none" in measure().out
    report = measure("--json", "--write").json("tolerances")
    assert json.loads(own_file.read_text())["atol"] == {
        "fill-mask": report["tolerances"][0]["atol"]
    }


def test_a_stated_tolerance_is_not_stored(measure: Any, declare: Any, own_file: Path) -> None:
    declare(1e-9)
    before = _store(own_file, {"fill-mask": 1e-2})
    assert (measure("--write").status, own_file.read_text()) == (1, before)


def test_an_interrupted_measurement_stores_nothing(run: Any, own_file: Path) -> None:
    before = _store(own_file, {"fill-mask": 1e-9})
    register_exporter(_Interrupted(KeyboardInterrupt()))
    run("tolerances", *BERT, "--exporter", "torchscript,unfinished", "--write")
    assert own_file.read_text() == before


class _Interrupted(TorchScriptExporter):
    """An exporter that raises an error or an interrupt while it exports."""

    name = "unfinished"
    opsets = (18,)

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def export(self, *arguments: Any) -> Any:
        raise self.error


def test_an_interrupt_prints_what_was_finished(run: Any) -> None:
    register_exporter(_Interrupted(KeyboardInterrupt()))
    cells = ("--exporter", "torchscript,unfinished")
    result = run("tolerances", *BERT, *cells)
    assert (result.status, result.err) == (130, "interrupted\n")
    assert CELL in result.out
    assert result.out.splitlines()[-1].startswith("not finished: ")
    report = run("tolerances", *BERT, *cells, "--json").json("tolerances")
    assert (report["complete"], len(report["cells"])) == (False, 1)


def test_cells_that_cannot_be_measured_are_reported(run: Any, declare: Any) -> None:
    declare(3e-5)
    register_exporter(_Interrupted(RuntimeError("no operator\ntoday")))
    result = run("tolerances", *BERT, "--exporter", "torchscript,unfinished", "--opset", "18,98")
    assert result.status == 1
    assert f"{PAIR}/opset98/torchscript not applicable" in result.out
    assert f"{PAIR}/opset18/unfinished errored" in result.out
    assert "no operator" in result.out
    assert "1 of 1 tolerances hold, 1 of 4 cells were measured" in result.out


def test_what_is_not_applicable_alone_shows_nothing(measure: Any) -> None:
    result = measure("--opset", 98, "--json")
    assert result.status == 1
    assert result.json("tolerances")["tolerances"] == []


def test_a_terminal_sees_how_far_it_is(measure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert measure().err == ""
    monkeypatch.setenv("FORCE_COLOR", "1")
    result = measure()
    assert CELL in result.err
    assert "1/1" in result.err
    assert "\x1b" not in result.out


@pytest.mark.full
def test_descriptions_of_others_are_measured(run_process: Any, tmp_path: Path) -> None:
    (tmp_path / "strict.py").write_text(
        "from harness import BertOnnxConfig\nBertOnnxConfig.ATOL_FOR_VALIDATION = 1e-12\n"
    )
    options = (*BERT, "--exporter", "torchscript", "--json", "--config-module", "strict")
    result = run_process("tolerances", *options)
    assert result.status == 1
    assert result.json("tolerances")["cells"][0]["atol"] == 1e-12
