"""Registered architectures are complete: tiny models, outputs, dummy inputs, expectations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from harness.configs.base import OnnxConfig
from harness.configs.plugins import find_fixture
from harness.configs.tasks import TasksManager
from harness.evidence.fixtures import TinyModel, read_fixture
from harness.matrix.expectation_checks import examine_expectations
from harness.matrix.registry import BACKEND, Registry
from harness.pytest_plugin.context import CONTEXT


@pytest.fixture
def registry(pytestconfig: pytest.Config) -> Registry:
    """The registry, with the modules of `--config-module`."""
    return pytestconfig.stash[CONTEXT].registry


@pytest.fixture
def descriptions(registry: Registry) -> list[OnnxConfig]:
    """One description per (tiny model, task), made from the configuration of the tiny model."""
    return [description for model in registry.models for description in _describe(model, registry)]


def test_every_architecture_has_a_tiny_model(registry: Registry) -> None:
    missing = [str(m) for m in registry.models if find_fixture(f"models/{m}.json") is None]
    assert not missing, f"add fixtures/models/<architecture>.json for {', '.join(missing)}"


def test_every_task_has_outputs(descriptions: list[OnnxConfig]) -> None:
    without = [
        f"{_name(d)} part {part}"
        for d in descriptions
        for part, p in d.parts.items()
        if not p.outputs
    ]
    assert not without, f"describe the outputs of {', '.join(without)}"


def test_every_input_has_a_dummy_input_generator(descriptions: list[OnnxConfig]) -> None:
    without = [
        f"{name} of {_name(description)}"
        for description in descriptions
        for part in description.parts.values()
        for name in part.inputs
        if not any(g.supports_input(name) for g in part.dummy_input_generator_classes)
    ]
    assert not without, f"add a dummy input generator for {', '.join(without)}"


def test_no_expectation_is_stale(pytestconfig: pytest.Config, registry: Registry) -> None:
    places = pytestconfig.stash[CONTEXT].expectation_places
    problems = examine_expectations(places, registry).problems
    assert not problems, "\n".join(problems)


def _describe(model: TinyModel, registry: Registry) -> Iterator[OnnxConfig]:
    if find_fixture(f"models/{model.architecture}.json") is None:
        return  # reported by test_every_architecture_has_a_tiny_model
    text = json.dumps(read_fixture(model)["config"])
    # A namespace replaces transformers' configuration classes, which would import torch.
    config = json.loads(text, object_hook=lambda table: SimpleNamespace(**table))
    for task in registry.tasks[model]:
        yield TasksManager.get_exporter_config_constructor(
            BACKEND, task=task, model_type=model.architecture
        )(config)


def _name(description: OnnxConfig) -> str:
    return f"{description.config.model_type}/{description.task}"
