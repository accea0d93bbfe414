"""`python -m reports`: its output and its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.records import RUN_FILE, SCHEMA_VERSION
from reports.__main__ import main

BERT = "bert/fill-mask/opset18/dynamo"


def assert_refused(capsys: pytest.CaptureFixture[str], status: int, *parts: str) -> None:
    captured = capsys.readouterr()
    assert status == 2
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    for part in parts:
        assert part in captured.err


def test_html_prints_the_page_it_wrote(
    runs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs.write(runs.header(BERT))
    assert main(["html", str(run), "-o", str(tmp_path / "new" / "folder")]) == 0
    page = tmp_path / "new" / "folder" / "index.html"
    assert capsys.readouterr().out == f"{page}\n"
    assert BERT in page.read_text(encoding="utf-8")


def test_html_takes_a_run_file_as_well_as_its_folder(runs: Any, tmp_path: Path) -> None:
    run = runs.write(runs.header(BERT))
    assert main(["html", str(run), "-o", str(tmp_path / "a")]) == 0
    assert main(["html", str(run / RUN_FILE), "-o", str(tmp_path / "b")]) == 0
    pages = [(tmp_path / name / "index.html").read_bytes() for name in "ab"]
    assert pages[0] == pages[1]


COMMANDS = ("html", "merge", "diff", "summary", "badges", "trend")


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"Usage: python -m reports {command}" in capsys.readouterr().out
    assert main(["--help"]) == 0
    assert f"\n  {command} " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "command"),
        (["nonsense"], "nonsense"),
        (["html"], "RUN"),
        (["html", "somewhere"], "--output"),
        (["html", "somewhere", "-o", "x", "--nonsense"], "--nonsense"),
        (["merge", "-o", "x"], "RUN"),
        (["merge", "somewhere"], "--output"),
        (["diff", "somewhere"], "NEW"),
        (["diff", "somewhere", "else", "--format", "xml"], "xml"),
        (["badges", "somewhere"], "--output"),
        (["trend"], "HISTORY"),
    ],
)
def test_bad_options_are_one_line(
    arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_refused(capsys, main(arguments), part)


@pytest.mark.parametrize(
    "words",
    [
        ["html", "gone", "-o", "new"],
        ["merge", "gone", "-o", "new"],
        ["diff", "gone", "gone"],
        ["summary", "gone"],
        ["badges", "gone", "-o", "new"],
        ["trend", "new", "gone"],
    ],
    ids=COMMANDS,
)
def test_a_missing_run_is_one_line(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    status = main(words)
    assert not (tmp_path / "new").exists()
    assert_refused(capsys, status, "gone: no run file here")


def test_a_corrupt_line_is_named(
    runs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs.write(runs.header(BERT))
    with (run / RUN_FILE).open("a", encoding="utf-8") as file:
        file.write("{nonsense\n")
    status = main(["html", str(run), "-o", str(tmp_path / "page")])
    assert_refused(capsys, status, f"{RUN_FILE}:2: not a line of a run file")
    assert not (tmp_path / "page").exists()


def test_another_schema_version_is_named(
    runs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header = {**runs.header(BERT).to_json(), "schema_version": SCHEMA_VERSION + 1}
    (tmp_path / RUN_FILE).write_text(json.dumps(header) + "\n", encoding="utf-8")
    status = main(["html", str(tmp_path), "-o", str(tmp_path / "page")])
    assert_refused(capsys, status, f"schema version {SCHEMA_VERSION + 1}")


def test_a_file_where_the_folder_should_be_is_one_line(
    runs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs.write(runs.header(BERT))
    (tmp_path / "taken").touch()
    status = main(["html", str(run), "-o", str(tmp_path / "taken")])
    assert_refused(capsys, status, "taken", "cannot be written")


OWN = {"harness", "reports", "lazy_loader", "jinja2", "markupsafe", "typer"}
OF_TYPER = {"annotated_doc", "click", "markdown_it", "mdurl", "pygments", "rich", "shellingham"} | {
    *("annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection"),
}


def test_every_command_runs_where_nothing_else_is_installed(runs: Any, tmp_path: Path) -> None:
    """Pages are built on machines without torch and onnx."""
    run, folder = str(runs.write(runs.header(BERT), *runs.passing(BERT))), str(tmp_path)
    program = f"""
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        known = {sorted(OWN | OF_TYPER)!r} + [*sys.stdlib_module_names]
        if top not in known and not top.startswith("_sysconfigdata"):
            raise ModuleNotFoundError(top)

sys.meta_path.insert(0, Refuse())
from reports.__main__ import main
folder, run = {folder!r}, {run!r}
for words in (
    ["html", run, "-o", folder + "/page"],
    ["merge", run, "-o", folder + "/merged"],
    ["diff", run, run],
    ["diff", run, run, "--format", "html"],
    ["summary", run, "--baseline", run],
    ["badges", run, "-o", folder + "/badges"],
    ["trend", folder + "/history.sqlite", run, "-o", folder + "/trend.html"],
):
    assert main(words) == 0, words
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


def test_the_module_is_a_command(tmp_path: Path) -> None:
    missing = [sys.executable, "-m", "reports", "html", str(tmp_path / "gone"), "-o", str(tmp_path)]
    done = subprocess.run(missing, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
