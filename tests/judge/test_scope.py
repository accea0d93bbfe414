"""A verdict on files says what it holds for: files, requirements, sizes, dtype and tolerance."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness import CellId, CellReport, Record, UsageError, check
from harness.judge.observer import Observer, Progress
from harness.records import Reach, Scope

TASK = "fill-mask"
SUFFIXES = ("fp16", "int8", "uint8", "quantized", "q4", "q4f16", "bnb4")
BROKEN = b"no ONNX model"


@pytest.fixture
def folder(exported: Callable[..., Path], tmp_path: Path) -> Path:
    """Return a folder with a correct BERT, which tests may edit."""
    folder = tmp_path / "out"
    shutil.copytree(exported("bert", TASK).parent, folder)
    return folder


@pytest.fixture
def judge(subject: Callable[..., Any]) -> Callable[..., CellReport]:
    """Return a function that checks a file or folder; by default only its operator sets."""

    def run(path: Path, requirements: Any = ("opset",), **options: Any) -> CellReport:
        return check(path, subject("bert", TASK).model, TASK, requirements=requirements, **options)

    return run


def scope_of(report: CellReport) -> Scope:
    assert report.scope is not None
    return report.scope


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_variant_beside_the_file_is_named_and_not_read(
    suffix: str, folder: Path, judge: Callable[..., CellReport]
) -> None:
    (folder / f"model_{suffix}.onnx").write_bytes(BROKEN)
    scope = scope_of(judge(folder))
    assert scope.judged == ("model.onnx",)
    assert [str(left.file) for left in scope.left_out] == [f"model_{suffix}.onnx"]
    assert f"the {suffix} variant" in scope.left_out[0].reason


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("decoder_model_merged.onnx", "a merged decoder"),
        ("decoder_model_merged_quantized.onnx", "a merged decoder"),
        ("onnx/model.onnx", "in another folder"),
        ("onnx/model_q4.onnx", "the q4 variant"),
        ("genai_config.json", "ONNX Runtime GenAI"),
    ],
)
def test_what_else_looks_like_a_model_is_named(
    name: str, reason: str, folder: Path, judge: Callable[..., CellReport]
) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(BROKEN)
    (left,) = scope_of(judge(folder)).left_out
    assert left.file == name
    assert reason in left.reason


def test_another_file_is_named_with_the_task_that_it_is_no_part_of(
    folder: Path, judge: Callable[..., CellReport]
) -> None:
    shutil.copy(folder / "model.onnx", folder / "other.onnx")
    (left,) = scope_of(judge(folder)).left_out
    assert str(left) == f"other.onnx (not a file of {TASK})"


def test_a_file_of_any_name_is_judged_beside_its_own_variants(
    folder: Path, judge: Callable[..., CellReport]
) -> None:
    (folder / "model.onnx").rename(folder / "mine.onnx")
    (folder / "mine_int8.onnx").write_bytes(BROKEN)
    assert scope_of(judge(folder)).judged == ("mine.onnx",)


def test_a_variant_that_is_given_is_judged(folder: Path, judge: Callable[..., CellReport]) -> None:
    (folder / "model.onnx").rename(folder / "model_quantized.onnx")
    assert scope_of(judge(folder)).judged == ("model_quantized.onnx",)
    scope = scope_of(judge(folder / "model_quantized.onnx"))
    assert (scope.judged, scope.left_out) == (("model_quantized.onnx",), ())


def test_several_variants_without_the_file_itself_are_refused(
    folder: Path, judge: Callable[..., CellReport]
) -> None:
    (folder / "model.onnx").rename(folder / "model_int8.onnx")
    shutil.copy(folder / "model_int8.onnx", folder / "model_q4.onnx")
    with pytest.raises(
        UsageError, match=r"expected model\.onnx, found model_int8\.onnx \(the int8"
    ):
        judge(folder)


def test_a_folder_whose_files_lie_one_folder_below_is_refused_with_that_folder(
    folder: Path, judge: Callable[..., CellReport]
) -> None:
    (folder / "other").mkdir()
    (folder / "model.onnx").rename(folder / "other" / "model.onnx")
    with pytest.raises(UsageError, match=rf"give {folder / 'other'}"):
        judge(folder)


def test_files_in_the_folder_onnx_of_a_folder_without_others_are_judged(
    folder: Path, judge: Callable[..., CellReport]
) -> None:
    (folder / "onnx").mkdir()
    (folder / "model.onnx").rename(folder / "onnx" / "model.onnx")
    shutil.copy(folder / "onnx" / "model.onnx", folder / "onnx" / "another.onnx")
    scope = scope_of(judge(folder))
    assert scope.judged == ("onnx/model.onnx",)
    assert [str(left) for left in scope.left_out] == [
        f"onnx/another.onnx (not a file of {TASK})",
    ]


@pytest.mark.parametrize(
    ("requirements", "verdict"),
    [
        (["opset"], "opset passed; 12 requirements not asked for"),
        (
            ["opset", "agreement", "cache"],
            "opset passed; agreement failed; cache not applicable; 10 requirements not asked for",
        ),
    ],
)
def test_the_verdict_on_a_selection_names_it(
    requirements: list[str], verdict: str, folder: Path, judge: Callable[..., CellReport]
) -> None:
    report = judge(folder, requirements, atol=1e-12)
    assert report.verdict == verdict
    assert report.conforms == (len(requirements) == 1)
    assert len(scope_of(report).not_asked) == 13 - len(requirements)


def test_the_tolerance_and_its_origin_are_named(
    folder: Path, judge: Callable[..., CellReport]
) -> None:
    given = judge(folder, ["agreement"], atol=0.5).record("agreement")
    assert (set(given.tolerance.values()), given.tolerance_origin) == ({0.5}, "given by --atol")
    measured = judge(folder, ["agreement"]).record("agreement")
    assert "measured" in (measured.tolerance_origin or "")


def test_the_examples_say_how_far_they_reached_of_what_the_model_reads(
    folder: Path, judge: Callable[..., CellReport]
) -> None:
    report = judge(folder, ["agreement"])
    covered = report.record("agreement").covered["sequence_length"]
    reach = {one.axis: one for one in report.reach}
    assert reach["sequence_length"].bound == 64
    assert reach["sequence_length"].reached == max(covered)
    assert reach["batch_size"].bound is None


def test_a_bounded_sum_of_axes_is_covered_as_such(subject: Callable[..., Any]) -> None:
    from harness import CellId, judge_cell

    cell = CellId.parse("gpt2/text-generation-with-past/opset18/torchscript")
    axes = {"batch_size": 2, "sequence_length": 5, "past_sequence_length": 3}
    report = judge_cell(cell, requirements=["agreement"], axes=axes)
    assert {(one.axis, one.reached) for one in report.reach if one.bound} == {
        ("past_sequence_length + sequence_length", 8)
    }


class Recorder(Observer):
    """Notes everything that it observes."""

    def __init__(self) -> None:
        self.plans: list[Sequence[str]] = []
        self.seen: list[Progress] = []
        self.records: list[Record] = []
        self.scopes: list[Scope] = []

    def plan(self, cell: CellId, requirements: Sequence[str]) -> None:
        self.plans.append(requirements)

    def progress(self, progress: Progress) -> None:
        self.seen.append(progress)

    def record(self, record: Record) -> None:
        self.records.append(record)

    def scope(self, scope: Scope) -> None:
        self.scopes.append(scope)


def test_an_observer_sees_the_plan_each_example_and_each_record(
    folder: Path, judge: Callable[..., CellReport]
) -> None:
    recorder = Recorder()
    report = judge(folder, ["agreement", "opset"], observer=recorder)
    assert recorder.plans == [["agreement", "opset"]]
    assert recorder.records == list(report.records)
    assert {scope.judged for scope in recorder.scopes} == {("model.onnx",)}
    assert [str(one) for one in recorder.seen[:3]] == [
        "loading the model",
        "export",
        "opset (1 of 2)",
    ]
    examples = [one.example for one in recorder.seen if one.stage == "agreement" and one.example]
    assert examples == list(range(1, report.record("agreement").examples + 1))
    done = [one.done for one in recorder.seen]
    assert done == sorted(done)
    assert done[-1] < recorder.seen[-1].total == len(examples) + 1


@pytest.mark.parametrize(
    ("bound", "text"),
    [
        (None, "sequence_length 384"),
        (512, "sequence_length 384 of 512"),
        (384, "sequence_length 384 of 384"),
        (128, "sequence_length 384 beyond 128"),
    ],
)
def test_a_reach_beyond_a_landmark_is_no_part_of_it(bound: int | None, text: str) -> None:
    assert str(Reach(axis="sequence_length", reached=384, bound=bound)) == text
