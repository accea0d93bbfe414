"""Every tiny model keeps the rules: no two sizes agree by accident, and every mistake shows."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from typing import Any

import pytest
import torch

from harness import OnnxConfig, TasksManager
from harness.configs.atol import atol_of_task
from harness.evidence.exceptions import RuleException, Violation, read_exceptions, unexcused
from harness.evidence.models import perturb, read_tiny
from harness.inference.comparison.agreement import RULES as AGREEMENT_RULES
from tests.faults.library import description_kinds as wrong
from tests.tiny_models.rules import (
    CONFIGURATION_RULES,
    left_out_inputs,
    violations_of_fixture,
    violations_of_pair,
)

ARCHITECTURES = TasksManager.architectures()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_fixture_keeps_the_rules(architecture: str) -> None:
    fixture = read_tiny(architecture)
    exceptions = [e for e in read_exceptions(fixture) if e.rule in CONFIGURATION_RULES]
    assert unexcused(violations_of_fixture(fixture), exceptions) == []


@pytest.mark.each_pair
def test_a_tiny_model_keeps_the_rules(
    architecture: str, task: str, subject: Callable[..., Any]
) -> None:
    one = subject(architecture, task)
    known = read_exceptions(read_tiny(architecture))
    exceptions = [e for e in known if e.rule not in CONFIGURATION_RULES | AGREEMENT_RULES]
    violations = violations_of_pair(one.model, one.config, exceptions)
    assert unexcused(violations, exceptions, task) == []


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_exceptions_name_tasks_of_their_architecture(architecture: str) -> None:
    tasks = TasksManager.get_supported_tasks_for_model_type(architecture)
    named = {task for e in read_exceptions(read_tiny(architecture)) for task in e.tasks}
    assert named <= set(tasks)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_tolerance_is_stored_for_each_task_and_no_other(architecture: str) -> None:
    tasks = set(TasksManager.get_supported_tasks_for_model_type(architecture))
    stored = read_tiny(architecture)["atol"]
    assert {task for task in tasks if atol_of_task(stored, task) is None} == set()
    assert set(stored) <= tasks


BUFFERED = [a for a in ARCHITECTURES if read_tiny(a)["perturbation"].get("buffers")]


@pytest.mark.parametrize("architecture", BUFFERED)
def test_each_glob_of_buffers_matches_a_buffer_of_some_task(
    architecture: str, subject: Callable[..., Any]
) -> None:
    globs = set(read_tiny(architecture)["perturbation"]["buffers"])
    for task in TasksManager.get_supported_tasks_for_model_type(architecture):
        if not globs:
            break
        names = [name for name, _ in subject(architecture, task).model.named_buffers()]
        globs -= {glob for glob in globs if fnmatch.filter(names, glob)}
    assert not globs


def test_an_exception_is_refused_if_nothing_needs_it() -> None:
    needless = RuleException(rule="dropout", reason="none", tasks=("fill-mask",))
    assert unexcused([], [needless], "fill-mask") == ["exception dropout  is not needed; remove it"]
    assert unexcused([], [needless], "text-classification") == []
    assert unexcused([Violation("dropout")], [needless], "fill-mask") == []


def test_a_violation_is_refused_if_its_exception_names_something_else() -> None:
    other = RuleException(rule="moved-buffers", reason="by its formula", name="*.inv_freq")
    found = Violation("moved-buffers", "bias", "has values that are 0 or 1")
    refused, needless = unexcused([found], [other])
    assert refused == "moved-buffers bias: has values that are 0 or 1"
    assert "not needed" in needless


FIXTURE: dict[str, Any] = {
    "config": {"hidden_size": 20, "num_attention_heads": 4, "pad_token_id": 4, "nested": {"a": 20}},
    "perturbation": {"matrix_std": 0.4},
}


def test_a_fixture_is_refused_for_sizes_that_agree_and_for_weak_weights() -> None:
    assert list(violations_of_fixture(FIXTURE)) == []
    equal = {**FIXTURE, "config": {**FIXTURE["config"], "intermediate_size": 20}}
    assert [v.name for v in violations_of_fixture(equal)] == ["intermediate_size"]
    weak = {**FIXTURE, "perturbation": {"matrix_std": 0.02}}
    assert [v.rule for v in violations_of_fixture(weak)] == ["matrix-std"]


def _rules_broken(one: Any) -> set[str]:
    return {v.rule for v in violations_of_pair(one.model, one.config, ())}


def test_a_model_is_refused_for_neutral_weights_and_lost_dropout(
    fresh_subject: Callable[..., Any],
) -> None:
    one = fresh_subject("bert", "fill-mask")
    assert _rules_broken(one) == set()
    with torch.no_grad():
        one.model.bert.embeddings.LayerNorm.weight[0] = 1.0
    for module in one.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    assert _rules_broken(one) == {"neutral-weights", "dropout"}


def test_a_model_is_refused_for_heads_windows_and_tolerance(
    fresh_subject: Callable[..., Any],
) -> None:
    one = fresh_subject("mistral", "text-generation")
    one.model.config.sliding_window = 5
    one.config.normalized_config.config.num_key_value_heads = (
        one.config.normalized_config.num_attention_heads
    )
    one.config.ATOL_FOR_VALIDATION = 1.0
    assert _rules_broken(one) >= {"grouped-heads", "windows", "tolerance"}


@pytest.mark.parametrize(
    ("description", "name"),
    [(wrong.WithoutMask, "attention_mask"), (wrong.WithoutTokenTypes, "token_type_ids")],
)
def test_a_description_is_refused_if_it_leaves_out_an_input(
    description: type[OnnxConfig], name: str, subject: Callable[..., Any]
) -> None:
    one = subject("bert", "fill-mask")
    config = description(one.config.config, task="fill-mask")
    assert [v.name for v in left_out_inputs(one.model, config)] == [name]


def test_a_reason_to_leave_out_an_input_is_refused_if_it_is_declared(
    fresh_subject: Callable[..., Any],
) -> None:
    one = fresh_subject("bert", "fill-mask")
    one.config.OMITTED_INPUTS = {"token_type_ids": "no reason"}
    assert [v.name for v in left_out_inputs(one.model, one.config)] == ["token_type_ids"]


def test_buffers_are_moved_and_all_else_is_as_without_them() -> None:
    plain, moved = (torch.nn.BatchNorm1d(3) for _ in range(2))
    recipe: dict[str, Any] = {"seed": 1, "matrix_std": 0.4, "vector_std": 0.3}
    perturb(plain, **recipe)
    perturb(moved, **recipe, buffers=["running_*n"])
    before, after = plain.state_dict(), moved.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"running_mean"}


def test_kernels_of_convolutions_keep_the_size_of_values_over_many_layers() -> None:
    layers = [torch.nn.Conv2d(8, 8, 3, padding=1) for _ in range(12)]
    deep = torch.nn.Sequential(*layers, torch.nn.Linear(4, 4))
    pixels = torch.randn(1, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    spreads = {}
    for gain in (0.0, 1.2):
        perturb(deep, seed=1, matrix_std=0.4, vector_std=0.1, kernel_gain=gain)
        with torch.no_grad():
            spreads[gain] = float(deep[:12](pixels).std())
            assert 0.2 < float(deep[12].weight.std()) < 0.6, "matrices are as without a gain"
    assert spreads[0.0] > 1e4
    assert 0.1 < spreads[1.2] < 10
