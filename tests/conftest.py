"""Fixtures for all test folders: gate selection, tiny models, descriptions, a correct export."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness import OnnxConfig, TasksManager, export, exporters
from harness.configs.plugins import fixture_directories
from harness.evidence.models import tiny_model
from tests.gate import Gate, mark_later_cases

GATE = pytest.StashKey[Gate]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--gate-base",
        metavar="REF",
        default="origin/main",
        help="git revision; pairs of architectures that changed since then are tested at the gate",
    )


def pytest_configure(config: pytest.Config) -> None:
    # Workers share the cores: two threads of torch in each wait for one another, which made some
    # tests ten times slower. torch reads this when it is imported, also in child processes.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    config.stash[GATE] = Gate(config.getoption("--gate-base"), config.rootpath)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test marked `each_pair` one item per (architecture, task)."""
    if metafunc.definition.get_closest_marker("each_pair"):
        metafunc.parametrize(("architecture", "task"), metafunc.config.stash[GATE].pairs())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_later_cases(items)  # before pytest deselects by marks


@pytest.fixture(autouse=True)
def _registries_as_before() -> Iterator[None]:
    """Undo the registrations of each test."""
    TasksManager.architectures()
    registries: list[dict[str, Any]] = [TasksManager._SUPPORTED_MODEL_TYPE, exporters._registered]
    before = [dict(registry) for registry in registries]
    yield
    for registry, content in zip(registries, before, strict=True):
        registry.clear()
        registry.update(content)


@pytest.fixture(scope="session", autouse=True)
def _fixtures_as_before() -> Iterator[None]:
    """Fail if a test changes the committed fixtures."""
    before = _committed_fixtures()
    yield
    after = _committed_fixtures()
    assert [path for path in before | after if before.get(path) != after.get(path)] == []


def _committed_fixtures() -> dict[Path, bytes]:
    *_, own = fixture_directories()
    return {path: path.read_bytes() for path in sorted(own.rglob("*")) if path.is_file()}


@dataclass(frozen=True, slots=True)
class Subject:
    """A tiny model and its description for one task."""

    model: Any
    config: OnnxConfig


@pytest.fixture(scope="session")
def subject() -> Callable[[str, str], Subject]:
    """Make the subject of an architecture and a task, once per session."""
    made: dict[tuple[str, str], Subject] = {}

    def make(architecture: str, task: str) -> Subject:
        if (architecture, task) not in made:
            made[architecture, task] = make_subject(architecture, task)
        return made[architecture, task]

    return make


@pytest.fixture(scope="session")
def fresh_subject() -> Callable[[str, str], Subject]:
    """Make a subject that the test may change."""
    return make_subject


def make_subject(architecture: str, task: str) -> Subject:
    model: Any = tiny_model(architecture, task)
    constructor = TasksManager.get_exporter_config_constructor("onnx", model, task=task)
    return Subject(model, constructor(model.config))


@pytest.fixture(scope="session")
def exported(
    subject: Callable[[str, str], Subject], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Make a correct TorchScript export at opset 18, once per session; do not edit the file."""
    made: dict[tuple[str, str], Path] = {}

    def make(architecture: str, task: str) -> Path:
        if (architecture, task) not in made:
            folder = tmp_path_factory.mktemp(f"{architecture}-{task}")
            one = subject(architecture, task)
            export(one.model, one.config, folder, opset=18, exporter="torchscript")
            made[architecture, task] = folder / "model.onnx"
        return made[architecture, task]

    return make
