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

from harness import LlamaOnnxConfig, Row, TasksManager, register_rows
from harness.cli.scaffold_draft import draft_like, nearest
from harness.cli.scaffold_text import module_text
from harness.configs import config_modules, plugins
from harness.records import Outcome, read_run

ROOT = Path(__file__).parents[2]
ROBERTA = ("scaffold", "roberta", "--like", "bert")
KEPT = ("__init__", "bert", "llama", "vit")
"""The modules of a checkout in which RoBERTa and Mistral are new."""
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*~*.json", "*.toml")
"""Expectations are left out: they name architectures that the small checkout lacks."""
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
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("harness", "reports", "conformance", "fixtures"):
        shutil.copytree(ROOT / name, folder / name, ignore=LEFT_OUT)
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for module in (folder / "harness" / "configs" / "architectures").glob("*.py"):
        if module.stem not in KEPT:
            module.unlink()
    for new in ("roberta", "mistral"):
        (folder / "fixtures" / "models" / f"{new}.json").unlink()
    return folder


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
    ("architecture", "like", "tasks"),
    [
        (
            "roberta",
            "bert",
            {
                "feature-extraction",
                "fill-mask",
                "multiple-choice",
                "question-answering",
                "text-classification",
                "token-classification",
            },
        ),
        (
            "mistral",
            "llama",
            {
                "feature-extraction",
                "feature-extraction-with-past",
                "text-classification",
                "text-generation",
                "text-generation-with-past",
            },
        ),
    ],
)
def test_its_cells_run_without_an_edit(
    architecture: str,
    like: str,
    tasks: set[str],
    run_process: Any,
    outcomes: Any,
    checkout: Path,
    tmp_path: Path,
) -> None:
    arguments = ("scaffold", architecture, "--like", like, "--output", tmp_path)
    result = run_process(*arguments, PYTHONPATH=str(checkout))
    assert result.status == 0, result.out + result.err
    module, fixture = f"{architecture}_onnx_config.py", f"fixtures/models/{architecture}.json"
    assert {fixture, module} <= set(files_in(tmp_path))
    assert f"wrote {tmp_path / module}\nwrote {tmp_path / fixture}\n" in result.out
    assert f"--config-module {module.removesuffix('.py')}" in result.out
    last = result.out.splitlines()[-1]
    assert last.startswith(f"conforms: {architecture}/feature-extraction/opset18/")
    assert outcomes(architecture) == {task: {Outcome.PASSED} for task in tasks}


def test_into_a_checkout_by_default(run_process: Any, checkout: Path, tmp_path: Path) -> None:
    for name in ("harness", "fixtures"):
        shutil.copytree(checkout / name, tmp_path / name)
    result = run_process(*ROBERTA, PYTHONPATH=str(tmp_path))
    assert result.status == 0, result.out + result.err
    module = tmp_path / "harness" / "configs" / "architectures" / "roberta.py"
    assert f"wrote {module}\n" in result.out
    assert "class RobertaOnnxConfig(BertOnnxConfig):" in module.read_text(encoding="utf-8")
    tiny = json.loads((tmp_path / "fixtures" / "models" / "roberta.json").read_text())
    bert = json.loads((tmp_path / "fixtures" / "models" / "bert.json").read_text())
    assert tiny["config"] == {**bert["config"], "model_type": "roberta"}
    assert tiny["perturbation"]["seed"] != bert["perturbation"]["seed"]
    for check in (["check"], ["format", "--check"]):
        options = ["--config", str(ROOT / "pyproject.toml")]
        subprocess.run([sys.executable, "-m", "ruff", *check, *options, module], check=True)


def test_without_a_checkout_it_asks_where_to(
    run_process: Any, checkout: Path, tmp_path: Path
) -> None:
    shutil.copytree(checkout / "harness", tmp_path / "harness")
    shutil.copytree(checkout / "fixtures", tmp_path / "harness" / "fixtures")
    run_process(*ROBERTA, PYTHONPATH=str(tmp_path)).assert_refused("--output")


def test_positions_that_eager_does_not_reach_are_not_declared(run: Any, tmp_path: Path) -> None:
    assert run(*ROBERTA, "--output", tmp_path).status == 0
    from transformers import RobertaConfig

    constructor = TasksManager.get_exporter_config_constructor("onnx", model_type="roberta")
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


@pytest.mark.parametrize(
    ("architecture", "like", "problem"),
    [
        ("mpnet", "bert", "mpnet: the configuration has no 'type_vocab_size'"),
        ("mt5", "bert", "MB of weights, a tiny model has less than 1"),
    ],
)
def test_what_eager_refuses_is_not_written(
    architecture: str, like: str, problem: str, run: Any, tmp_path: Path
) -> None:
    result = run("scaffold", architecture, "--like", like, "--output", tmp_path)
    assert (result.status, result.err) == (1, "")
    *problems, verdict = result.out.splitlines()
    assert all(line.startswith(f"{architecture}/") for line in problems)
    assert any(problem in line for line in problems)
    assert verdict.startswith("nothing was written")
    assert files_in(tmp_path) == []


def test_a_setting_that_the_pattern_lacks_is_named(run: Any, tmp_path: Path) -> None:
    result = run("scaffold", "mistral", "--like", "llama", "--output", tmp_path)
    assert result.status == 0
    module = (tmp_path / "mistral_onnx_config.py").read_text()
    assert 'register_rows(\n    LlamaOnnxConfig,\n    Row(\n        "mistral",' in module
    assert "note: Unlike llama, mistral is configured by sliding_window=4096." in result.out
    assert "# Unlike llama, mistral is configured by sliding_window=4096." in module


def test_a_copy_of_a_row_is_like_the_class_of_its_table() -> None:
    register_rows(LlamaOnnxConfig, Row("arcee", "Arcee", ("text-generation",), "another name"))
    draft = draft_like("mistral", "arcee")
    assert draft.parent is LlamaOnnxConfig
    assert "class" not in module_text(draft, standalone=True)


def test_without_like_those_with_the_same_tasks_are_tried_first() -> None:
    assert nearest("roberta")[:2] == ["bert", "distilbert"]
    assert nearest("trocr")[0] in {"gpt2", "llama"}
