"""`check` of a folder with several variants: each is judged or named, and none is lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from harness import export
from harness.evidence.models import tiny_model
from harness.isolation.file_judge import InterruptedJudgingError
from harness.records import CellId, CellReport, Outcome, Record
from tests.judging_here import judge_here
from tests.low_precision.forms import FORMS
from tests.merging import MERGED, merge_decoders

TASK = "fill-mask"
SEQ2SEQ = "text2text-generation-with-past"
CELL = CellId.parse(f"t5/{SEQ2SEQ}/opset18/file")
BROKEN = b"no ONNX model"


@pytest.fixture
def folder(exported: Callable[..., Path], tmp_path: Path) -> Path:
    """Return a folder with a correct BERT in three variants."""
    folder = tmp_path / "out"
    shutil.copytree(exported("bert", TASK).parent, folder)
    FORMS["fp16"](folder / "model.onnx", folder / "model_fp16.onnx", [])
    FORMS["q4"](folder / "model.onnx", folder / "model_q4.onnx", [])
    return folder


@pytest.fixture(scope="session")
def tiny_t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny_t5")
    model: Any = tiny_model("t5", SEQ2SEQ)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def unmerged(subject: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unmerged")
    one = subject("t5", SEQ2SEQ)
    export(one.model, one.config, folder, opset=18, exporter="torchscript")
    return folder


@pytest.fixture
def both(unmerged: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that puts a merged decoder of some opset beside the unmerged ones."""

    def make(opset: int = 18) -> Path:
        folder = Path(shutil.copytree(unmerged, tmp_path / "both"))
        decoders = ("decoder_model", "decoder_with_past_model")
        merged = merge_decoders(*(onnx.load(folder / f"{stem}.onnx") for stem in decoders))
        merged.opset_import[0].version = opset
        onnx.save(merged, folder / MERGED)
        return folder

    return make


@pytest.fixture
def check(run: Any, tiny_bert: Path, tiny_t5: Path) -> Callable[..., Any]:
    """Return a function that checks a folder of BERT or T5, by default only the operator sets."""

    def check_folder(folder: Path, *options: str, task: str = TASK) -> Any:
        model = tiny_bert if task == TASK else tiny_t5
        chosen = [] if "--requirement" in options else ["--requirement", "opset"]
        words = ["--model", model, "--task", task, "--opset", "18", *chosen, *options]
        return run("check", folder, *words)

    return check_folder


def test_variants_are_judged_or_named_in_one_table(folder: Path, check: Callable[..., Any]) -> None:
    (folder / "model_int8.onnx").write_bytes(BROKEN)
    result = check(folder)
    assert result.status == 0, result.err
    _, table = result.out.split("  outcome  ")
    rows = {line.split()[1]: line for line in table.splitlines()[1:5]}
    for name in ("plain", "fp16", "q4"):
        assert rows[name].startswith("✓")
        assert "  passed what was asked  " in rows[name]
    assert rows["int8"].split()[:3] == ["-", "int8", "model_int8.onnx"]
    assert "not judged: int8 (" in result.out
    assert result.out.splitlines()[-1] == f"passed what was asked: {folder}, 3 of 4 variants judged"


def test_the_json_has_each_variant_and_what_was_not_judged(
    folder: Path, check: Callable[..., Any]
) -> None:
    shutil.copy(folder / "model.onnx", folder / "another.onnx")
    report = check(folder, "--json").json("check")
    plain, fp16, q4 = report["variants"]
    for one, name in ((fp16, "fp16"), (q4, "q4")):
        assert (one["name"], one["files"]) == (name, [f"model_{name}.onnx"])
        assert one["requirements"][0]["id"] == "graph/opset"
    assert (report["schema_version"], report["conforms"], plain["conforms"]) == (3, True, True)
    assert (plain["name"], plain["files"]) == ("", ["model.onnx"])
    assert plain["bytes"] == (folder / "model.onnx").stat().st_size
    assert plain["requirements"][0]["id"] == "opset"
    left = [(one["name"], one["files"]) for one in report["not_judged"]]
    assert left == [(None, ["another.onnx"])]


def test_a_folder_with_one_variant_has_the_form_of_a_file(
    folder: Path, check: Callable[..., Any]
) -> None:
    for suffix in ("fp16", "q4"):
        (folder / f"model_{suffix}.onnx").unlink()
    report = check(folder, "--json").json("check")
    assert (report["schema_version"], report["scope"]["judged"]) == (2, ["model.onnx"])


@pytest.mark.parametrize(("opset", "status", "glyph"), [(18, 0, "✓"), (17, 1, "✗")])
def test_a_wrong_variant_beside_a_right_one_does_not_conform(
    opset: int, status: int, glyph: str, both: Callable[..., Path], check: Callable[..., Any]
) -> None:
    result = check(both(opset), task=SEQ2SEQ)
    rows = [line.split() for line in result.out.splitlines() if "encoder_model.onnx +" in line]
    assert result.status == status
    assert [row[:2] for row in rows] == [["✓", "plain"], [glyph, "merged"]]
    assert "--variant merged" in result.out or opset == 18  # in the command that repeats it


def test_a_broken_variant_is_named_and_the_others_are_judged(
    both: Callable[..., Path], check: Callable[..., Any]
) -> None:
    folder = both()
    (folder / MERGED).write_bytes(BROKEN)
    report = check(folder, "--json", task=SEQ2SEQ).json("check")
    (other,) = report["not_judged"]
    assert (report["conforms"], len(report["variants"])) == (True, 1)
    assert other["name"] == "merged"
    assert "is not an ONNX model" in other["reason"]


def test_one_variant_can_be_chosen(
    both: Callable[..., Path], folder: Path, check: Callable[..., Any]
) -> None:
    merged = check(both(), "--variant", "merged", "--json", task=SEQ2SEQ).json("check")
    assert merged["scope"]["judged"] == ["encoder_model.onnx", MERGED]
    assert {left["reason"] for left in merged["scope"]["left_out"]} == {"of another variant"}
    half = check(folder, "--variant", "fp16", "--json").json("check")
    assert half["scope"]["judged"] == ["model_fp16.onnx"]


@pytest.mark.parametrize(
    ("place", "variant", "message"),
    [
        (".", "fp61", "variant 'fp61' is not in the folder; did you mean fp16?"),
        ("model.onnx", "fp16", "is a file; --variant chooses a variant"),
    ],
)
def test_a_variant_that_is_not_there_is_refused_in_one_line(
    place: str, variant: str, message: str, folder: Path, check: Callable[..., Any]
) -> None:
    check(folder / place, "--variant", variant).assert_refused(message)


def test_a_model_that_cannot_be_read_is_refused_in_one_line(
    folder: Path, run: Any, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert", "hidden_size": "wide"}')
    options = ["--model", tmp_path, "--task", TASK]
    run("check", folder, *options).assert_refused("its configuration cannot be read")


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("has_plan", [True, False])
def test_an_interrupt_loses_no_verdict(
    has_plan: bool,
    as_json: bool,
    both: Callable[..., Path],
    check: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reports: list[CellReport] = []
    cut = Record(cell=CELL, requirement="opset", outcome=Outcome.NOT_RUN, message="interrupted")

    def judge(*arguments: Any, **options: Any) -> CellReport:
        if reports:
            stopped = InterruptedJudgingError(CellReport(CELL, (cut,)))
            raise stopped if has_plan else KeyboardInterrupt
        reports.append(judge_here(*arguments, **options))
        return reports[0]

    monkeypatch.setattr("harness.cli.judging.judge_files", judge)
    result = check(both(), *["--json"] * as_json, task=SEQ2SEQ)
    assert result.status == 130
    if not as_json:
        assert "opset passed" in result.out
        assert "not judged: merged (the check was interrupted" in result.out or has_plan
        return
    report = result.json("check")
    assert (report["conforms"], report["variants"][0]["conforms"]) == (False, True)
    assert len(report["variants"]) == 1 + has_plan
