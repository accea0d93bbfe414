"""`list`: complete, valid against its schema, filtered on request, with few imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.cli.listing import read_listing
from harness.configs.tasks import TasksManager
from harness.exporters import exporter_names

CONFIG_MODULE = """
from harness import BertOnnxConfig, register
register("my_bert", tasks=["fill-mask"])(BertOnnxConfig)
"""


def test_json_lists_everything_that_is_registered(run: Any) -> None:
    listed = run("list", "--json").json("list")
    assert listed["architectures"] == [
        {
            "library": "transformers",
            "architecture": name,
            "tasks": sorted(TasksManager.get_supported_tasks_for_model_type(name)),
            "exporters": exporter_names(),
        }
        for name in TasksManager.architectures()
    ]


def test_json_lists_what_transformers_has_besides(run: Any) -> None:
    rows = run("list", "--json").json("list")["not_registered"]
    left = {row["architecture"]: row["tasks"] for row in rows}
    assert left["bert"] == ["text-generation"]
    assert len(left) > 100


def test_tables_show_both_and_end_with_the_counts(run: Any) -> None:
    out = run("list").out
    listing = read_listing()
    assert all(row.architecture in out for row in listing.registered + listing.not_registered)
    assert out.splitlines()[-1].startswith(f"{len(listing.registered)} architectures registered")


def test_globs_narrow_architectures_and_tasks(run: Any) -> None:
    listed = run("list", "--architecture", "*bert", "--task", "fill-*", "--json").json("list")
    names = [row["architecture"] for row in listed["architectures"]]
    assert {"bert", "distilbert"} <= set(names)
    assert all(name.endswith("bert") for name in names)
    assert all(row["tasks"] == ["fill-mask"] for row in listed["architectures"])
    assert all(row["architecture"].endswith("bert") for row in listed["not_registered"])


def test_synonyms_of_tasks_are_understood(run: Any) -> None:
    listed = run("list", "--architecture", "gpt2", "--task", "causal-lm", "--json").json("list")
    assert [row["tasks"] for row in listed["architectures"]] == [["text-generation"]]


def test_known_names_that_do_not_meet_give_an_empty_list(run: Any) -> None:
    result = run("list", "--architecture", "bert", "--task", "depth-estimation", "--json")
    assert result.status == 0
    assert result.json("list") == {"schema_version": 1, "architectures": [], "not_registered": []}


@pytest.mark.parametrize(
    ("option", "value", "nearest"),
    [("--architecture", "brt", "bert"), ("--task", "fil-mask", "fill-mask")],
)
def test_unknown_names_are_refused_with_the_nearest(
    option: str, value: str, nearest: str, run: Any
) -> None:
    run("list", option, value).assert_refused(value, nearest)


def test_config_modules_are_listed(run_process: Any, tmp_path: Path) -> None:
    (tmp_path / "my_configs.py").write_text(CONFIG_MODULE)
    result = run_process(
        "list", "--config-module", "my_configs", "--architecture", "my_bert", "--json"
    )
    (row,) = result.json("list")["architectures"]
    assert (row["architecture"], row["tasks"]) == ("my_bert", ["fill-mask"])


def test_a_config_module_that_is_missing_is_refused(run: Any) -> None:
    run("list", "--config-module", "no_such_module").assert_refused("no_such_module")


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from harness.cli import main; main(['list', '--json']);"
        "heavy = {'torch', 'transformers', 'onnx', 'onnxruntime', 'numpy', 'hypothesis', 'rich'};"
        "sys.exit(str(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.stderr == "[]\n"


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_reader_that_leaves_early_causes_no_complaint(form: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "list", *form],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.communicate()[1] == b""
    assert process.returncode == 141


def test_the_reason_of_an_unregistered_architecture_is_said(run: Any) -> None:
    lines = run("list", "--architecture", "mamba2,recurrent_gemma,tvp,bert").out.splitlines()
    assert lines[-2].startswith("mamba2, recurrent_gemma not described: some layers cache the ")
    assert lines[-1] == ("tvp not described: its description is not written yet (docs/left-out.md)")
