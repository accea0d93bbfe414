"""The tiny models provoke: no two sizes agree by accident, and whatever is forgotten shows."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import torch

from harness import TasksManager
from harness.evidence.models import perturb, read_tiny

ARCHITECTURES = TasksManager.architectures()
PAIRS = [(a, t) for a in ARCHITECTURES for t in TasksManager.get_supported_tasks_for_model_type(a)]

MEGABYTE = 1 << 20
STD = 0.3
EXCEPTIONS_OF_STD = {
    "t5": "its attention is not scaled by the head size: from 0.4 on a softmax has one winner, and "
    "the reference itself is off by 4e-4",
}

UNGROUPED = {"esmc": "eager refuses fewer key-value heads than heads, and fills in as many"}
EQUAL_SIZES = {
    "axk1": ("num_key_value_heads", "its attention has a head of keys for each of the queries"),
    "squeezebert": ("embedding_size", "eager refuses any other than hidden_size"),
}
WITHOUT_DROPOUT = {
    "diffllama": "its configuration refuses any",
    "ernie4_5": "its configuration has none",
    "ernie4_5_moe": "its layers have no dropout, whatever stands in the configuration",
}

UNTRAINED = {
    "bros": "the first frequency of a position is 1 by its formula",
    "esm": "the first frequency of a position is 1 by its formula",
    "ibert": "what is quantised is found anew in each call",
}
"""Buffers that are saved, and that no training moves."""

# Settings that are no size of a tensor, or that the rules fix at 4.
NO_SIZE = (
    "layer",
    "_id",
    "patch_size",
    "stride",
    "dropout",
    "pdrop",
    "distance",
    "window",
    "block",
)


def _sizes(settings: Mapping[str, Any]) -> Iterator[list[int]]:
    """The sizes of a configuration, and apart those of each that it nests."""
    own = [
        value
        for name, value in settings.items()
        if type(value) is int and not any(word in name for word in NO_SIZE)
    ]
    yield own
    for nested in settings.values():
        if isinstance(nested, dict):
            yield from _sizes(nested)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_sizes_differ_pairwise(architecture: str) -> None:
    forced, _ = EQUAL_SIZES.get(architecture, ("", ""))
    config = {k: v for k, v in read_tiny(architecture)["config"].items() if k != forced}
    for sizes in _sizes(config):
        assert len(set(sizes)) == len(sizes), sorted(sizes)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_weights_are_spread_enough_to_react(architecture: str) -> None:
    std = read_tiny(architecture)["perturbation"]["matrix_std"]
    assert (std < STD) == (architecture in EXCEPTIONS_OF_STD), std


@pytest.mark.parametrize(("architecture", "task"), PAIRS)
def test_weights_are_small_in_bytes_and_none_is_neutral(
    architecture: str, task: str, subject: Callable[..., Any]
) -> None:
    model = subject(architecture, task).model
    parameters = dict(model.named_parameters())
    assert sum(p.numel() * p.element_size() for p in parameters.values()) < MEGABYTE
    for name, parameter in parameters.items():
        assert not ((parameter == 0) | (parameter == 1)).any(), name
    if architecture not in UNTRAINED:
        for name, saved in model.state_dict().items():
            assert not saved.is_floating_point() or not ((saved == 0) | (saved == 1)).any(), name


@pytest.mark.parametrize(("architecture", "task"), PAIRS)
def test_heads_are_grouped_and_windows_and_blocks_are_four(
    architecture: str, task: str, subject: Callable[..., Any]
) -> None:
    one = subject(architecture, task)
    config = one.model.config.to_dict()
    if config.get("num_key_value_heads") is not None and architecture not in UNGROUPED:
        described = one.config.normalized_config  # a latent attention keeps fewer than it names
        assert described.num_key_value_heads < described.num_attention_heads
    for name in ("sliding_window", "attention_window", "block_size"):
        assert {*_listed(config.get(name, 4))} <= {None, 4}


def _listed(value: Any) -> list[Any]:
    """The windows of a setting that has one for each layer, or one for all."""
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize(("architecture", "task"), PAIRS)
def test_a_forgotten_eval_shows(architecture: str, task: str, subject: Callable[..., Any]) -> None:
    one = subject(architecture, task)
    feed = one.config.generate_dummy_inputs()
    feed = {name: tensor for name, tensor in feed.items() if not name.startswith("past")}
    if "attention_mask" in feed and "input_ids" in feed and one.config.use_past_in_inputs:
        feed["attention_mask"] = torch.ones_like(feed["input_ids"])
    state = torch.random.get_rng_state()
    try:
        with torch.no_grad():
            outputs = [one.model.train(mode)(**feed).to_tuple()[0] for mode in (False, True)]
    finally:
        one.model.eval()
        torch.random.set_rng_state(state)
    difference = float((outputs[0] - outputs[1]).abs().max())
    # The head that labels tokens drops a tenth of its input whatever the model does.
    if architecture in WITHOUT_DROPOUT and task != "token-classification":
        assert difference == 0
    else:
        assert difference > 100 * one.config.atol


def test_the_exceptions_are_of_registered_architectures() -> None:
    assert {*EXCEPTIONS_OF_STD, *EQUAL_SIZES, *UNGROUPED, *WITHOUT_DROPOUT} <= set(ARCHITECTURES)


def test_buffers_are_moved_and_all_else_is_as_without_them() -> None:
    plain, moved = (torch.nn.BatchNorm1d(3) for _ in range(2))
    recipe: dict[str, Any] = {"seed": 1, "matrix_std": 0.4, "vector_std": 0.3}
    perturb(plain, **recipe)
    perturb(moved, **recipe, buffers=["running_*n"])
    before, after = plain.state_dict(), moved.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"running_mean"}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_each_glob_of_buffers_is_one_of_a_task(
    architecture: str, subject: Callable[..., Any]
) -> None:
    globs = set(read_tiny(architecture)["perturbation"].get("buffers", []))
    for task in TasksManager.get_supported_tasks_for_model_type(architecture) if globs else ():
        names = [name for name, _ in subject(architecture, task).model.named_buffers()]
        globs -= {glob for glob in globs if fnmatch.filter(names, glob)}
    assert not globs
