"""`weights`: external data must be complete, and inside the file's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto

from harness import CellReport, Outcome, Record, check
from harness.evidence import session

BERT = ("bert", "text-classification")
Failed = Callable[[CellReport], list[str]]


def point_to(path: Path, **entries: str | None) -> None:
    """Change entries of the external data of all tensors; None removes an entry."""
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            kept = {entry.key: entry.value for entry in tensor.external_data} | entries
            del tensor.external_data[:]
            for key, value in kept.items():
                if value is not None:
                    tensor.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())


def moved(path: Path, location: str) -> None:
    """Move the data to `location` and write that location; it leads to all the data."""
    target = path.parent / location
    target.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "model.data").rename(target)
    point_to(path, location=location)


def absolute(path: Path) -> None:
    moved(path, str(path.parents[1] / "model.data"))


def above(path: Path) -> None:
    moved(path, "../model.data")


def above_by_a_detour(path: Path) -> None:
    (path.parent / "sub").mkdir()
    moved(path, "sub/../../model.data")


def linked_out(path: Path) -> None:
    above(path)
    (path.parent / "model.data").symlink_to("../model.data")
    point_to(path, location="model.data")


def linked_folder(path: Path) -> None:
    above(path)
    (path.parent / "sub").symlink_to("..")
    point_to(path, location="sub/model.data")


def of_windows(path: Path) -> None:
    point_to(path, location="..\\model.data")


def missing(path: Path) -> None:
    (path.parent / "model.data").unlink()


def a_folder(path: Path) -> None:
    missing(path)
    (path.parent / "model.data").mkdir()


def truncated(path: Path) -> None:
    data = path.parent / "model.data"
    data.write_bytes(data.read_bytes()[:-4])


def not_fetched(path: Path) -> None:
    (path.parent / "model.data").write_text("version https://git-lfs.github.com/spec/v1\n")


def unnamed(path: Path) -> None:
    point_to(path, location=None)


def with_a_nul(path: Path) -> None:
    point_to(path, location="model\0.data")


def before_the_start(path: Path) -> None:
    point_to(path, offset="-64")


def of_another_length(path: Path) -> None:
    point_to(path, length="8")


DAMAGES: dict[Callable[[Path], None], str] = {
    absolute: "got the absolute path '/",
    above: "got '../model.data', which leaves the model's folder, expected a file inside it",
    above_by_a_detour: "got 'sub/../../model.data', which leaves the model's folder",
    linked_out: "got 'model.data', a link out of the model's folder",
    linked_folder: "got 'sub/model.data', a link out of the model's folder",
    of_windows: "which leaves the model's folder",
    missing: "got no file 'model.data', expected it next to the model",
    a_folder: "got no file 'model.data', expected it next to the model",
    truncated: "it is truncated",
    not_fetched: "model.data is a Git LFS pointer instead of the file itself; run `git lfs pull`",
    unnamed: "got no location, expected a file next to the model",
    with_a_nul: "null byte), expected a file",
    before_the_start: "got offset '-64', expected a number of bytes",
    of_another_length: "got length 8, expected",
}


def judge_file(path: Path, subject: Callable[..., Any], **options: Any) -> CellReport:
    return check(path, subject(*BERT).model, BERT[1], opset=18, profile="smoke", **options)


def failure_of_weights(report: CellReport) -> Record:
    record = report.record("weights")
    assert record.outcome is Outcome.FAILED
    assert record.message.startswith("external data of "), record.message
    return record


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_missing_or_misplaced_external_data_is_refused(
    damage: Callable[[Path], None], with_data: Path, subject: Callable[..., Any], failed: Failed
) -> None:
    damage(with_data)
    report = judge_file(with_data, subject)
    assert DAMAGES[damage] in failure_of_weights(report).message
    assert set(failed(report)[:2]) <= {"checker", "dynamic-axes", "weights"}
    after = [record.requirement for record in report.records].index("weights") + 1
    assert {record.outcome for record in report.records[after:]} == {Outcome.SKIPPED}
    assert Outcome.ERRORED not in {record.outcome for record in report.records}


@pytest.mark.gate_cases(2)
@pytest.mark.parametrize("damage", [absolute, above, linked_out, linked_folder])
def test_files_outside_the_folder_are_never_read(
    damage: Callable[[Path], None],
    with_data: Path,
    subject: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def open_session(*_: Any, **__: Any) -> Any:
        raise AssertionError("the runtime was given the file")

    monkeypatch.setattr(session, "open_session", open_session)
    (with_data.parents[1] / "model.data").unlink(missing_ok=True)
    damage(with_data)
    (with_data.parents[1] / "model.data").chmod(0)
    for requirement in ("weights", "agreement"):
        (record,) = judge_file(with_data, subject, requirements=[requirement]).records
        assert record.outcome is Outcome.FAILED, record
        assert "external data of " in record.message


def in_a_subfolder(path: Path) -> None:
    moved(path, "sub/model.data")


def in_the_folder_after_all(path: Path) -> None:
    (path.parent / "sub").mkdir()
    point_to(path, location="sub/../model.data")


def without_lengths(path: Path) -> None:
    point_to(path, length=None)


@pytest.mark.gate_cases(1)
@pytest.mark.parametrize("edit", [in_a_subfolder, in_the_folder_after_all, without_lengths])
def test_external_data_anywhere_in_the_folder_conforms(
    edit: Callable[[Path], None], with_data: Path, subject: Callable[..., Any], failed: Failed
) -> None:
    edit(with_data)
    report = judge_file(with_data, subject)
    assert report.conforms, failed(report)
