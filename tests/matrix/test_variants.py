"""Variants of tiny models: their files, and their cells in the matrix."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.evidence.fixtures import TinyModel, find_stored_atol, find_variants
from harness.evidence.models import read_tiny
from harness.judge.profiles import PROFILES
from harness.matrix.plan import Selection, make_plan
from harness.matrix.registry import Registry, read_registry
from harness.matrix.seeds import cell_seed
from harness.records import CellId

EXTERNAL_DATA = {
    "gpt2~external-data": "text-generation-with-past",
    "t5~external-data": "text2text-generation-with-past",
}
BERT_TASKS = ("fill-mask", "question-answering")
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a file into the `models` folder of another package's fixtures; content may be text."""
    monkeypatch.setattr("harness.configs.plugins._fixture_directories", [tmp_path])
    (tmp_path / "models").mkdir()

    def write_file(name: str, content: Any) -> Path:
        path = tmp_path / "models" / f"{name}.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write_file


@pytest.fixture
def registry(registry: Registry) -> Registry:
    """The small registry with two variants of bert, one of them for a single task."""
    variants = {
        TinyModel("bert", "tall"): ("fill-mask",),
        TinyModel("bert", "wide"): BERT_TASKS,
    }
    tasks = {**registry.tasks, **variants}
    return dataclasses.replace(registry, tasks={model: tasks[model] for model in sorted(tasks)})


def selected(registry: Registry, architecture: str | None, **others: Any) -> list[str]:
    """Return the tiny models and tasks that a selection plans."""
    plan = make_plan(Selection(opsets=(18,), architecture=architecture, **others), registry)
    return list(dict.fromkeys(str(cell).partition("/opset")[0] for cell in plan))


def test_a_variant_is_its_architecture_but_for_its_own_keys(write: Write) -> None:
    own = read_tiny("bert")
    write("bert~tall", {"perturbation": {"seed": 5}, "external_data_threshold": 64})
    changed = {"perturbation": {"seed": 5}, "external_data_threshold": 64}
    assert read_tiny("bert", "tall") == {**own, **changed}
    assert read_tiny("bert") == own


def test_a_variant_has_the_tolerances_of_its_architecture_but_for_its_own(write: Write) -> None:
    model, main = TinyModel("bert", "tall"), TinyModel("bert")
    write("bert~tall", {"atol": {"fill-mask": 3e-4}})
    assert find_stored_atol(model, "fill-mask") == (model, 3e-4)
    assert find_stored_atol(main, "fill-mask") == (main, read_tiny("bert")["atol"]["fill-mask"])
    assert find_stored_atol(model, "multiple-choice") == find_stored_atol(main, "multiple-choice")
    assert find_stored_atol(model, "text-generation") == (main, None)


def test_a_variant_has_its_own_tolerance_also_with_a_past(write: Write) -> None:
    own = {"only_tasks": ["text-generation-with-past"], "atol": {"text-generation": 3e-4}}
    write("gpt2~tall", own)
    write("gpt2", {**read_tiny("gpt2"), "atol": {"text-generation-with-past": 1e-4}})
    model = TinyModel("gpt2", "tall")
    assert find_stored_atol(model, "text-generation-with-past") == (model, 3e-4)


def test_a_variant_has_all_tasks_or_those_that_it_names(write: Write) -> None:
    write("bert~tall", {"only_tasks": ["question-answering", "fill-mask"]})
    write("bert~wide", {})
    tasks = read_registry().tasks
    assert tasks[TinyModel("bert", "tall")] == BERT_TASKS
    assert tasks[TinyModel("bert", "wide")] == tasks[TinyModel("bert")]


def test_variants_stand_behind_their_architecture_in_one_order() -> None:
    models = read_registry().models
    assert list(models) == sorted(models)
    assert {str(model) for model in find_variants()} >= set(EXTERNAL_DATA)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("{", "is not JSON"),
        ([], "is not a tiny model; write a JSON object"),
        (
            {"external_data": 5},
            "'external_data' is not known; did you mean external_data_threshold",
        ),
        ({"only_task": []}, "key 'only_task' is not known; did you mean only_tasks"),
        ({"external_data_threshold": 0}, "'external_data_threshold' is 0: must be a positive int"),
        ({"external_data_threshold": 1.5}, "is 1.5: must be a positive integer, in bytes"),
        ({"external_data_threshold": True}, "is True: must be a positive integer"),
        ({"external_data_threshold": "1k"}, "is '1k': must be a positive integer"),
        ({"only_tasks": ["fill-maks"]}, "'fill-maks' is unknown; did you mean fill-mask?"),
        ({"only_tasks": ["image-classification"]}, "'image-classification' is unknown"),
        ({"only_tasks": "fill-mask"}, "must be a list of tasks"),
        ({"only_tasks": []}, "is []: must be a list of tasks; leave it out for all tasks"),
        ({"tasks": {"fill-maks": {}}}, "'fill-maks' is unknown; did you mean fill-mask?"),
        ({"tasks": ["fill-mask"]}, "must be an object of tasks with their settings"),
        ({"atol": 1e-5}, "must be an object of tasks with their tolerances"),
        ({"atol": {"fill-maks": 1e-5}}, "'fill-maks' is unknown; did you mean fill-mask?"),
        ({"atol": {"fill-mask": 0.0}}, "tolerance 0.0 must be a number above 0, such as 1e-05"),
        ({"atol": {"fill-mask": float("inf")}}, "tolerance inf must be a number above 0"),
        ({"atol": {"fill-mask": "1e-5"}}, "tolerance '1e-5' must be a number above 0"),
        ({"config": {"hidden_size": 20}}, "must be an object with a model_type"),
        ({"perturbation": {"std": 1}}, "must be an object with a seed"),
        ({"perturbation": {"seed": 1, "buffers": "*"}}, "buffers must be a list of names"),
        ({"perturbation": {"seed": 1, "kernel_gain": 0}}, "kernel_gain must be a positive number"),
    ],
)
def test_bad_content_is_one_line_that_names_the_file(write: Write, content: Any, what: str) -> None:
    path = write("bert~tall", content)
    for read in (lambda: read_tiny("bert", "tall"), read_registry):
        with pytest.raises(UsageError) as caught:
            read()
        assert str(caught.value).startswith(f"{path}: ")
        assert what in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("brt~tall", "architecture 'brt' is not registered; did you mean bert"),
        (
            "bert~",
            "got an invalid name for a variant's file, expected <architecture>~<variant>.json",
        ),
        (
            "bert~a~b",
            "got an invalid name for a variant's file, expected <architecture>~<variant>.json",
        ),
        (
            "bert~a b",
            "got an invalid name for a variant's file, expected <architecture>~<variant>.json",
        ),
    ],
)
def test_a_file_that_no_cell_would_have_is_refused(write: Write, name: str, what: str) -> None:
    path = write(name, {})
    with pytest.raises(UsageError) as caught:
        read_registry()
    assert str(caught.value).startswith(f"{path}: ")
    assert what in str(caught.value)


def test_the_file_of_an_architecture_is_held_to_the_same(write: Write) -> None:
    path = write("bert", {"config": {"model_type": "bert"}})
    with pytest.raises(UsageError, match=r"bert\.json: key 'perturbation' is missing; add it"):
        read_tiny("bert")
    path.write_text('{"only_tasks": ["fill-mask"]}')
    with pytest.raises(UsageError, match=r"bert\.json: key 'only_tasks' is for variants only"):
        read_tiny("bert")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("name", "task"), EXTERNAL_DATA.items())
def test_external_data_is_planned_in_every_profile(profile: str, name: str, task: str) -> None:
    plan = make_plan(Selection(opsets=PROFILES[profile].opsets), read_registry())
    for exporter in ("dynamo", "torchscript"):
        assert CellId.parse(f"{name}/{task}/opset18/{exporter}") in plan
    assert {cell.task for cell in plan if str(cell).startswith(f"{name}/")} == {task}


@pytest.mark.parametrize(
    ("architecture", "rows"),
    [
        (
            "bert",
            [
                *("bert/fill-mask", "bert/question-answering", "bert~tall/fill-mask"),
                *("bert~wide/fill-mask", "bert~wide/question-answering"),
            ],
        ),
        ("bert~tall", ["bert~tall/fill-mask"]),
        ("bert~t*,vit", ["bert~tall/fill-mask", "vit/image-classification"]),
        ("*~wide", ["bert~wide/fill-mask", "bert~wide/question-answering"]),
        ("v*", ["vit/image-classification"]),
    ],
)
def test_an_architecture_stands_for_its_variants_and_a_variant_for_itself(
    registry: Registry, architecture: str, rows: list[str]
) -> None:
    assert selected(registry, architecture) == rows
    assert set(rows) <= set(selected(registry, None))


def test_a_misspelt_variant_is_met_with_the_nearest(registry: Registry) -> None:
    with pytest.raises(UsageError, match=r"--architecture 'bert~tal': .* did you mean bert~tall"):
        selected(registry, "bert~tal")


def test_a_variant_without_the_task_selects_no_cell(registry: Registry) -> None:
    with pytest.raises(UsageError, match=r"tasks of these architectures: fill-mask$"):
        selected(registry, "bert~tall", task="question-answering")


def test_a_variant_meets_the_examples_of_its_architecture() -> None:
    texts = [f"bert{variant}/fill-mask/opset18/dynamo" for variant in ("", "~tall")]
    assert len({cell_seed(7, CellId.parse(text)) for text in texts}) == 1
