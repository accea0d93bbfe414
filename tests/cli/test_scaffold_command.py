"""`scaffold`: writes files whose cells run unedited, or refuses and writes nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import TasksManager
from harness.configs import config_modules, plugins
from harness.records import Outcome, read_run
from tests.cli.small_checkout import ROOT, copy_small_checkout
from tests.gate import full

ONE_EXPORTER = ("--exporter", "torchscript")
ROBERTA = ("scaffold", "roberta", "--like", "bert", "--task", "fill-mask", *ONE_EXPORTER)
REGISTERED = frozenset({"bert", "distilbert", "gpt2", "llama", "t5", "vit"})


@pytest.fixture(autouse=True)
def _few_are_registered() -> None:
    """Unregister most architectures in this process; another fixture registers them again."""
    known = TasksManager._SUPPORTED_MODEL_TYPE
    for architecture in set(TasksManager.architectures()) - REGISTERED:
        del known[architecture]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with few architectures. Tests that write to it copy it first."""
    return copy_small_checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(autouse=True)
def _fixture_folders_as_before() -> Iterator[None]:
    lists: list[list[Any]] = [
        plugins._fixture_directories,
        config_modules._config_modules,
        sys.path,
    ]
    before = [list(one) for one in lists]
    yield
    for now, earlier in zip(lists, before, strict=True):
        now[:] = earlier


@pytest.fixture
def outcomes(checkout: Path, tmp_path: Path) -> Callable[[str], dict[str, set[Outcome]]]:
    """Run the TorchScript cells of a scaffolded architecture; gives task -> applicable outcomes."""

    def run_cells(architecture: str) -> dict[str, set[Outcome]]:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += ["--config-module", f"{architecture}_onnx_config"]
        command += ["--architecture", architecture, "--exporter", "torchscript"]
        command += ["--opset", "18", "--profile", "smoke", f"--run-dir={tmp_path / 'run'}"]
        path = os.pathsep.join([str(tmp_path), str(checkout), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": path}
        done = subprocess.run(
            command, cwd=checkout, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, set[Outcome]] = {}
        for record in read_run(tmp_path / "run" / "run.jsonl").records.values():
            if record.outcome is not Outcome.NOT_APPLICABLE:
                found.setdefault(record.cell.task, set()).add(record.outcome)
        return found

    return run_cells


def files_in(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("architecture", "like", "task", "tasks"),
    [
        ("roberta", "bert", "fill-mask", {"fill-mask"}),
        (
            "mistral",
            "llama",
            "text-generation",
            {"text-generation", "text-generation-with-past"},
        ),
    ],
)
def test_its_cells_run_without_an_edit(
    architecture: str,
    like: str,
    task: str,
    tasks: set[str],
    run_process: Any,
    outcomes: Any,
    checkout: Path,
    tmp_path: Path,
) -> None:
    arguments = ("scaffold", architecture, "--like", like, "--task", task, *ONE_EXPORTER)
    result = run_process(*arguments, "--output", tmp_path, PYTHONPATH=str(checkout))
    assert result.status == 0, result.out + result.err
    module, fixture = f"{architecture}_onnx_config.py", f"fixtures/models/{architecture}.json"
    assert {fixture, module} <= set(files_in(tmp_path))
    assert f"wrote {tmp_path / module}\nwrote {tmp_path / fixture}\n" in result.out
    assert f"--config-module {module.removesuffix('.py')}" in result.out
    steps = ("configuration: ", "feed: ", "axes: ", "cache: ", "reactions: ")
    assert all(f"\n  {step}" in result.out for step in steps)
    for name in tasks:
        assert f"green: {architecture}/{name}/opset18/torchscript\n" in result.out
    assert set(json.loads((tmp_path / fixture).read_text())["atol"]) == tasks
    assert outcomes(architecture) == {task: {Outcome.PASSED} for task in tasks}


def test_a_registered_architecture_gets_a_further_task_with_the_same_tiny_model(
    run_process: Any, checkout: Path, tmp_path: Path
) -> None:
    arguments = ("scaffold", "llama", "--task", "question-answering", *ONE_EXPORTER)
    result = run_process(*arguments, "--output", tmp_path, PYTHONPATH=str(checkout))
    assert result.status == 0, result.out + result.err
    known, written = (
        json.loads((folder / "fixtures" / "models" / "llama.json").read_text())
        for folder in (checkout, tmp_path)
    )
    assert written["config"] == known["config"]
    assert written["atol"].keys() == {*known["atol"], "question-answering"}


def test_into_a_checkout_by_default(run_process: Any, checkout: Path, tmp_path: Path) -> None:
    for name in ("harness", "fixtures"):
        shutil.copytree(checkout / name, tmp_path / name)
    result = run_process(*ROBERTA, PYTHONPATH=str(tmp_path))
    assert result.status == 0, result.out + result.err
    module = tmp_path / "harness" / "configs" / "architectures" / "roberta.py"
    assert f"wrote {module}\n" in result.out
    assert "class RobertaOnnxConfig(BertOnnxConfig):" in module.read_text(encoding="utf-8")
    tiny = json.loads((tmp_path / "fixtures" / "models" / "roberta.json").read_text())
    assert tiny["config"]["model_type"] == "roberta"
    assert tiny["perturbation"]["matrix_std"] >= 0.1
    _assert_linted(module)


def test_without_a_checkout_it_asks_where_to(
    run_process: Any, checkout: Path, tmp_path: Path
) -> None:
    shutil.copytree(checkout / "harness", tmp_path / "harness")
    shutil.copytree(checkout / "fixtures", tmp_path / "harness" / "fixtures")
    run_process(*ROBERTA, PYTHONPATH=str(tmp_path)).assert_refused("--output")


def test_positions_that_eager_does_not_reach_are_not_declared(run: Any, tmp_path: Path) -> None:
    assert run(*ROBERTA, "--output", tmp_path).status == 0
    from transformers import RobertaConfig

    constructor = TasksManager.get_exporter_config_constructor(
        "onnx", model_type="roberta", task="fill-mask"
    )
    described = constructor(RobertaConfig(max_position_embeddings=514))
    assert described.axis_ceilings == {"sequence_length": 512}


@pytest.mark.parametrize("existing", ["roberta_onnx_config.py", "fixtures/models/roberta.json"])
def test_nothing_is_overwritten(existing: str, run: Any, tmp_path: Path) -> None:
    path = tmp_path / existing
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    run(*ROBERTA, "--output", tmp_path).assert_refused(str(path), "exists")
    assert files_in(tmp_path) == [existing]
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["robrta", "--like", "bert"], "did you mean roberta"),
        (["roberta", "--like", "brt"], "did you mean bert"),
        (["distilbert", "--like", "bert"], "registered already"),
        (["trocr", "--like", "bert"], "text-generation"),
        (["roberta", "--like", "bert", "--config-module", "no_such_module"], "no_such_module"),
        (["roberta", "--like", "bert", "--exporter", "dynam"], "did you mean dynamo"),
        ([], "ARCHITECTURE"),
    ],
)
def test_what_cannot_be_scaffolded_is_refused(
    arguments: list[str], part: str, run: Any, tmp_path: Path
) -> None:
    run("scaffold", *arguments, "--output", tmp_path).assert_refused(part)
    assert files_in(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_refused(run: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run(*ROBERTA, "--output", tmp_path / "file").assert_refused(str(tmp_path / "file"))


@pytest.mark.gate_cases(1)
@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["kosmos-2", "--task", "image-text-to-text"], "stopped: forward refuses"),
        (["vits", "--task", "text-to-audio"], "text-to-audio: question: two calls differ"),
    ],
)
def test_nothing_is_written_while_something_is_open(
    arguments: list[str], problem: str, run: Any, tmp_path: Path
) -> None:
    result = run("scaffold", *arguments, "--output", tmp_path)
    assert result.status == 1
    *_, verdict = result.out.splitlines()
    assert problem in result.out
    assert verdict.startswith("nothing was written")
    assert files_in(tmp_path) == []


def test_a_step_alone_is_shown_and_nothing_is_written(run: Any, tmp_path: Path) -> None:
    task = ("--task", "image-classification")
    result = run("scaffold", "segformer", *task, "--until", "feed", "--output", tmp_path)
    assert result.status == 0
    assert "pixel_values: floats of float32 [batch_size, 3, height, width]" in result.out
    assert "axes: " not in result.out
    assert files_in(tmp_path) == []
    run("scaffold", "segformer", "--until", "fed", "--output", tmp_path).assert_refused("--until")


@pytest.mark.parametrize("exporters", [ONE_EXPORTER, pytest.param((), marks=full, id="all")])
def test_what_no_description_says_is_written_as_a_class(
    exporters: tuple[str, ...], run_process: Any, outcomes: Any, checkout: Path, tmp_path: Path
) -> None:
    task = ("--task", "image-classification")
    result = run_process(
        "scaffold",
        "segformer",
        *(*task, *exporters),
        "--output",
        tmp_path,
        PYTHONPATH=str(checkout),
    )
    assert result.status == 0, result.out + result.err
    module = tmp_path / "segformer_onnx_config.py"
    assert "class SegformerOnnxConfig(TabledOnnxConfig):" in module.read_text()
    _assert_linted(module)
    tiny = json.loads((tmp_path / "fixtures" / "models" / "segformer.json").read_text())
    assert tiny["config"]["num_channels"] == 3, "the tables read it"
    assert outcomes("segformer") == {"image-classification": {Outcome.PASSED}}


@full
def test_a_model_of_texts_with_images_is_written_as_a_class(
    run_process: Any, outcomes: Any, checkout: Path, tmp_path: Path
) -> None:
    task = ("--task", "feature-extraction")
    result = run_process(
        "scaffold",
        "internvl",
        *(*task, *ONE_EXPORTER),
        "--output",
        tmp_path,
        PYTHONPATH=str(checkout),
    )
    assert result.status == 0, result.out + result.err
    module = tmp_path / "internvl_onnx_config.py"
    assert 'TabledPlaceholder("image", Setting("image_token_id"), 4)' in module.read_text()
    _assert_linted(module)
    assert outcomes("internvl") == {"feature-extraction": {Outcome.PASSED}}


def _assert_linted(module: Path) -> None:
    for check in (["check"], ["format", "--check"]):
        options = ["--config", str(ROOT / "pyproject.toml")]
        subprocess.run([sys.executable, "-m", "ruff", *check, *options, module], check=True)
