"""Inference and registered descriptions say the same, and each kind of wrong description is found.

`python -m harness agreement` compares all descriptions.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from harness import TasksManager
from harness.configs.axis_space import AxisRange
from harness.configs.task_table import Axes
from harness.evidence.fixtures import TinyModel
from harness.inference.comparison.agreement import agreement_of_pair, compare_with_inference

SEED = 23
PAIRS = [
    (architecture, task)
    for architecture in TasksManager.architectures()
    for task in TasksManager.get_supported_tasks_for_model_type(architecture)
]
FEW = [
    ("bert", "multiple-choice"),
    ("detr", "object-detection"),
    ("lfm2", "text-generation-with-past"),
    ("patchtst", "time-series-forecasting"),
    ("qwen2_vl", "image-text-to-text"),
    ("wav2vec2", "feature-extraction"),
]


@pytest.mark.parametrize(("architecture", "task"), FEW)
def test_a_description_agrees_with_inference(architecture: str, task: str) -> None:
    assert agreement_of_pair(TinyModel(architecture), task).problems == ()


@pytest.mark.full
@pytest.mark.parametrize(("architecture", "task"), random.Random(SEED).sample(PAIRS, 60))
def test_a_description_drawn_by_seed_agrees_with_inference(architecture: str, task: str) -> None:
    assert agreement_of_pair(TinyModel(architecture), task).problems == ()


@pytest.fixture
def differences(subject: Callable[..., Any]) -> Callable[..., list[tuple[str, str]]]:
    """Return the differences of a description with other inputs or outputs."""

    def find(architecture: str, task: str, **other: Any) -> list[tuple[str, str]]:
        one = subject(architecture, task)
        kind = type(one.config)
        wrong = type(kind.__name__, (kind,), {name: property(f) for name, f in other.items()})
        found = compare_with_inference(one.model, wrong(one.config.config, task))
        return [(one.name, one.details) for one in found.differences]

    return find


def _with_inputs(**changed: Axes) -> Callable[[Any], Mapping[str, Axes]]:
    return lambda self: {**super(type(self), self).inputs, **changed}


def _with_outputs(**changed: Axes) -> Callable[[Any], OrderedDict[str, Axes]]:
    return lambda self: OrderedDict({**super(type(self), self).outputs, **changed})


def test_a_free_axis_that_is_not_declared_is_found(differences: Any) -> None:
    wrong = _with_inputs(pixel_values={0: "batch_size", 3: "width"})
    found = dict(differences("swin", "image-classification", inputs=wrong))
    assert found == {"model:pixel_values.2": "eager accepts from 13; no axis is declared"}


def test_a_declared_axis_that_is_fixed_is_found(differences: Any) -> None:
    wrong = _with_inputs(pixel_values={0: "batch_size", 2: "height"})
    ranges = {"height": AxisRange(12, 24, export=12)}
    found = dict(
        differences("vit", "image-classification", inputs=wrong, axis_ranges=lambda self: ranges)
    )
    assert found == {"model:pixel_values.2": "eager accepts 12 alone; declared is height"}


def test_a_tie_that_is_not_declared_is_found(differences: Any) -> None:
    wrong = _with_inputs(token_type_ids={0: "batch_size", 1: "number_of_types"})
    ((name, details),) = differences("bert", "fill-mask", inputs=wrong)
    assert name == "model:*"
    assert "eager refuses the first feed" in details


def test_a_tie_that_eager_does_not_need_is_found(differences: Any) -> None:
    wrong = _with_inputs(pixel_values={0: "text_batch_size"})
    found = dict(differences("clip", "zero-shot-image-classification", inputs=wrong))
    assert any("needs no tie" in details for details in found.values())


@pytest.mark.parametrize("masks", [(), ("pixel_mask",)])
def test_a_mask_has_the_sizes_of_its_image_although_eager_resizes_it(
    masks: tuple[str, ...], subject: Callable[..., Any]
) -> None:
    one = subject("detr", "feature-extraction")
    found = compare_with_inference(one.model, one.config, masks=masks).differences
    assert [tie.name for tie in found if "needs no tie" in tie.details] == (
        [] if masks else ["model:pixel_values.2", "model:pixel_values.3"]
    )


@pytest.mark.parametrize(
    ("task", "output", "axes"),
    [
        ("feature-extraction", "last_hidden_state", {0: "batch_size", 1: "height // 8"}),
        (
            "feature-extraction",
            "last_hidden_state",
            {0: "batch_size", 1: "(height // 4) * (width // 4)"},
        ),
        ("feature-extraction", "last_hidden_state", {0: "batch_size"}),
        ("image-classification", "logits", {0: "batch_size", 1: "height"}),
    ],
)
def test_a_wrong_axis_of_an_output_is_found(
    task: str, output: str, axes: Axes, differences: Any
) -> None:
    names = [name for name, _ in differences("swin", task, outputs=_with_outputs(**{output: axes}))]
    assert names == [f"model:{output}.1"]


def test_a_cache_that_is_not_eagers_is_found(differences: Any) -> None:
    def shorter(self: Any) -> Any:
        return super(type(self), self).cache[:-1]

    task = "text-generation-with-past"
    found = dict(differences("gpt2", task, cache=shorter))
    assert found["past_key_values.1.value"] == "is not declared"


def test_steps_of_several_tokens_need_a_model_that_gets_them_right(differences: Any) -> None:
    found = dict(differences("mamba", "text-generation-with-past", steps_singly=lambda self: False))
    assert "steps of several tokens are wrong" in found["several"]


@pytest.mark.parametrize(("window", "is_right"), [(None, True), (4, True), (5, False)])
def test_a_window_of_the_cache_is_that_of_eager(
    window: int | None, is_right: bool, differences: Any
) -> None:
    """A description may also keep all keys."""

    def windows(self: Any) -> Mapping[int, int]:
        return {} if window is None else dict.fromkeys(self.normalized_config.layer_windows, window)

    found = differences("mistral", "text-generation-with-past", cache_windows=windows)
    of_cache = [details for name, details in found if name.startswith("past_key_values.")]
    assert (not of_cache) is is_right, found
    assert all("min(" in details for details in of_cache)
