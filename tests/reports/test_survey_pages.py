"""A survey is read whole or refused, and its text is shown beside unregistered tasks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from reports.__main__ import main
from reports.survey import Progress, read_survey

BERT = "bert/fill-mask/opset18/dynamo"
LINE = {"architecture": "sam", "task": "mask-generation", "stage": "builds", "reason": "no feed"}


def write(path: Path, *lines: Any, end: str = "\n") -> Path:
    path.write_text("\n".join(map(json.dumps, lines)) + end, encoding="utf-8")
    return path


def test_each_line_is_the_progress_of_a_task(tmp_path: Path) -> None:
    survey = read_survey(write(tmp_path / "survey.jsonl", {**LINE, "config": {}}))
    assert survey.progress("sam", "mask-generation") == Progress(stage="builds", reason="no feed")
    assert survey.progress("sam", "feature-extraction") is None


def test_the_last_line_of_an_interrupted_survey_is_ignored(tmp_path: Path) -> None:
    path = write(tmp_path / "survey.jsonl", LINE, {**LINE, "architecture": "sam2"}, end="")
    assert list(read_survey(path).found) == [("sam", "mask-generation")]


@pytest.mark.parametrize(
    "line",
    [
        {**LINE, "stage": "unheard of"},
        {**LINE, "stage": ["builds"]},
        {**LINE, "reason": 3},
        {**LINE, "architecture": ["sam"]},
        {"architecture": "sam"},
        ["sam"],
    ],
)
def test_a_file_that_is_no_survey_is_refused(line: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "survey.jsonl", LINE, line)
    with pytest.raises(UsageError, match=r"survey .*survey\.jsonl: got a line that is no line of"):
        read_survey(path)


def test_a_survey_that_is_not_there_is_one_line(
    runs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, missing = runs.write(runs.header(BERT)), tmp_path / "none.jsonl"
    assert main(["html", str(run), "-o", str(tmp_path / "page"), "--survey", str(missing)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"error: survey {missing}: cannot be read (No such file")
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "page").exists()


def test_the_page_shows_how_far_unregistered_tasks_get(runs: Any, tmp_path: Path) -> None:
    missing = {"bert": ["next-sentence-prediction"], "sam": ["mask-generation"]}
    run = runs.write(runs.header(BERT, not_registered=missing))
    hostile = {**LINE, "architecture": "bert", "task": "next-sentence-prediction"}
    hostile["reason"] = "<img src=x onerror=alert(1)>"
    survey = write(tmp_path / "survey.jsonl", LINE, hostile)
    assert main(["html", str(run), "-o", str(tmp_path / "page"), "--survey", str(survey)]) == 0
    text = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "not registered: a tiny model builds; &lt;img src=x onerror=alert(1)&gt;" in text
    assert "<dt>sam</dt><dd>mask-generation: a tiny model builds; no feed</dd>" in text
    assert '<th scope="row">a tiny model builds</th><td>2</td>' in text
    assert "<img" not in text
    assert "&lt;img" in (tmp_path / "page" / "architectures" / "bert.html").read_text("utf-8")
