"""Standalone scripts: the command that writes one, and the link to an existing one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from harness.records import CellId, Outcome
from reports.__main__ import main
from reports.repro import script_path

BERT = "bert/fill-mask/opset18/dynamo"


def failing(runs: Any, cell: str = BERT, **fields: Any) -> list[Any]:
    command = f"python -m harness replay {cell} --requirement agreement --axes a=1 --seed 9"
    values = {"replay": command, **fields}
    return [
        runs.header(cell),
        runs.record(cell, "export", Outcome.PASSED),
        runs.record(cell, "agreement", Outcome.FAILED, **values),
    ]


def commands(page: Any) -> list[str]:
    return [code.text for code in page.tree.one("section", id="cells").all("code", class_="copy")]


def test_a_failure_has_a_replay_command_and_a_script_command(runs: Any) -> None:
    replay, repro = commands(runs.page(*failing(runs)).of("bert"))
    name = "repro/bert+fill-mask+opset18+dynamo.py"
    assert repro == f"{replay.replace(' replay ', ' repro ')} -o {name}"


@pytest.mark.parametrize(
    "fields",
    [
        {"outcome": Outcome.PASSED},
        {"outcome": Outcome.ERRORED},
        {"replay": "python -m harness check model.onnx"},
        {"replay": None},
    ],
)
def test_a_record_without_a_defect_or_replay_has_no_script_command(
    runs: Any, fields: dict[str, Any]
) -> None:
    header, exported, failed = failing(runs)
    page = runs.page(header, exported, dataclasses.replace(failed, **fields)).of("bert")
    assert not any(" repro " in command for command in commands(page))


def script_links(page: Any) -> list[str]:
    links = page.tree.one("section", id="cells").all("a")
    return [link.attributes["href"] for link in links if "Script" in link.text]


def test_only_a_script_that_is_there_is_linked_to_and_comes_along(
    runs: Any, tmp_path: Path
) -> None:
    run = runs.write(*failing(runs))
    assert script_links(page_of(runs, run, tmp_path / "without")) == []
    script = run / "repro" / "bert+fill-mask+opset18+dynamo.py"
    script.parent.mkdir()
    script.write_text("print('é')\n", encoding="utf-8")
    (run / "repro" / "other.py").write_text("of no cell", encoding="utf-8")
    for folder in (tmp_path / "elsewhere", run):
        page = page_of(runs, run, folder)
        (href,) = script_links(page)
        target = (page.path.parent / unquote(href)).resolve()
        assert target == (folder / "repro" / script.name).resolve()
        assert target.read_text(encoding="utf-8") == "print('é')\n"
    assert [path.name for path in (tmp_path / "elsewhere" / "repro").iterdir()] == [script.name]


def page_of(runs: Any, run: Path, folder: Path) -> Any:
    """Write the pages of a run with the command, and return the page of BERT."""
    assert main(["html", str(run), "-o", str(folder)]) == 0
    kind = type(runs.page(runs.header(BERT)))
    return kind.read(folder / "index.html").of("bert")


@pytest.mark.parametrize("cell", ["../../opset18/..", "a~../x+y/opset18/b", None])
def test_no_name_of_a_cell_leads_out_of_the_folder_of_scripts(runs: Any, cell: str | None) -> None:
    path = script_path(CellId.parse(cell or runs.hostile_cell))
    folder, _, name = path.partition("/")
    assert folder == "repro"
    assert "/" not in name
    assert "\\" not in name
    assert name.endswith(".py")


def test_each_cell_has_a_script_of_its_own() -> None:
    cells = ["a/b+c/opset18/d", "a+b/c/opset18/d", "a/b/opset18/c+d", "a/b=2Bc/opset18/d"]
    assert len({script_path(CellId.parse(cell)) for cell in cells}) == len(cells)
