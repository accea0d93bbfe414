"""The rules of tiny models: what makes each react to everything that a file could get wrong.

A rule yields violations, each with the setting or buffer at fault.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch

from harness.configs.axes import AxisExpression
from harness.configs.cache_layout import is_past
from harness.evidence.exceptions import RuleException, Violation
from harness.inference.tensor_outputs import tensor_outputs
from harness.judge.rounding import UnmeasurableError, eager_roundings, largest_allowed_atol
from tests.tiny_models.cache_rules import violations_of_cache
from tests.tiny_models.domain_rules import violations_of_domain

MEGABYTE = 1 << 20
STD = 0.3
"""Least standard deviation of matrices: below it, a model hardly reacts to its mask."""

NO_SIZE = (
    "layer",
    "depth",
    "ratio",
    "_id",
    "patch_size",
    "stride",
    "dropout",
    "pdrop",
    "distance",
    "window",
    "block",
    "chunk",
)
"""Parts of names of integer settings that are no size of a tensor, or that the rules fix at 4."""


CONFIGURATION_RULES = frozenset({"distinct-sizes", "matrix-std"})
"""Rules that the fixture alone decides; all others need the model of a task."""


def violations_of_fixture(fixture: Mapping[str, Any]) -> Iterator[Violation]:
    """Check the rules that need no model: sizes that differ pairwise, weights that are spread."""
    yield from _equal_sizes(fixture["config"])
    std = fixture["perturbation"]["matrix_std"]
    if std < STD:
        yield Violation("matrix-std", details=f"got {std}, expected at least {STD}")


def _equal_sizes(settings: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield each setting that repeats a size of an earlier one of the same (nested) object."""
    first: dict[int, str] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _equal_sizes(value)
        elif type(value) is int and not any(word in name for word in NO_SIZE):
            if value in first:
                yield Violation("distinct-sizes", name, f"{value}, as {first[value]}")
            first.setdefault(value, name)


def violations_of_pair(
    model: Any, config: Any, exceptions: Iterable[RuleException]
) -> Iterator[Violation]:
    """Check the rules that the tiny model of one task has to keep, and its description with it."""
    yield from _weights(model)
    yield from _heads_and_windows(model, config)
    yield from _dropout(model, config)
    yield from _feeds(config)
    yield from violations_of_domain(config)
    yield from violations_of_cache(model, config)
    yield from left_out_inputs(model, config)
    yield from _tolerance(model, config, exceptions)


def _weights(model: Any) -> Iterator[Violation]:
    """Less than 1 MB, and no weight or trained buffer is 0 or 1."""
    parameters = dict(model.named_parameters())
    size = sum(p.numel() * p.element_size() for p in parameters.values())
    if size >= MEGABYTE:
        yield Violation("size", details=f"got {size} bytes of weights, expected under {MEGABYTE}")
    for name, saved in {**model.state_dict(), **parameters}.items():
        if saved.is_floating_point() and ((saved == 0) | (saved == 1)).any():
            rule = "neutral-weights" if name in parameters else "moved-buffers"
            yield Violation(rule, name, "has values that are 0 or 1")


def _heads_and_windows(model: Any, config: Any) -> Iterator[Violation]:
    settings = model.config.to_dict()
    if settings.get("num_key_value_heads") is not None:
        described = config.normalized_config  # a latent attention keeps fewer than it names
        heads, groups = described.num_attention_heads, described.num_key_value_heads
        if groups >= heads:
            yield Violation("grouped-heads", details=f"got {groups} of {heads}, expected fewer")
    for name in ("sliding_window", "attention_window", "block_size"):
        value = settings.get(name, 4)
        if not {*(value if isinstance(value, list) else [value])} <= {None, 4}:
            yield Violation("windows", name, f"got {value}, expected 4")


def _dropout(model: Any, config: Any) -> Iterator[Violation]:
    """Outputs in train mode differ clearly, so that a forgotten `eval()` shows."""
    feed = config.generate_dummy_inputs()
    feed = {name: tensor for name, tensor in feed.items() if not is_past(name)}
    if "attention_mask" in feed and "input_ids" in feed and config.use_past_in_inputs:
        feed["attention_mask"] = torch.ones_like(feed["input_ids"])
    state = torch.random.get_rng_state()
    try:
        with torch.no_grad():
            results = [model.train(mode)(**feed) for mode in (False, True)]
    finally:
        model.eval()
        torch.random.set_rng_state(state)
    outputs = [next(tensor for _, tensor in tensor_outputs(result)) for result in results]
    difference = float((outputs[0] - outputs[1]).abs().max())
    if not difference > 100 * config.atol:
        yield Violation("dropout", details=f"train mode differs by {difference:.3g}")


def _feeds(config: Any) -> Iterator[Violation]:
    """Every declared axis of a dummy input has the size that was asked for, at all corners."""
    for sizes in config.axis_space.corners():
        feed = config.generate_dummy_inputs(**sizes)
        known = {**sizes, **config.derived_sizes(feed)}
        for name, tensor in feed.items():
            for axis, text in config.inputs[name].items():
                expected = AxisExpression.parse(text).evaluate(known)
                if tensor.shape[axis] != expected:
                    yield Violation("axis-sizes", name, f"{tensor.shape} at axis {axis}, {sizes}")


def left_out_inputs(model: Any, config: Any) -> Iterator[Violation]:
    """Every input that tokenizers return and forward takes is declared, or left out with a reason.

    No example could show the effect of an input that the file does not take. The description is
    asked as for a checkpoint with two types of tokens, since users have such checkpoints.
    """
    settings = copy.deepcopy(config.config)
    given = ["attention_mask"]
    if hasattr(settings, "type_vocab_size"):
        settings.type_vocab_size = 2
        given.append("token_type_ids")
    declared = type(config)(settings, task=config.task).inputs
    taken = inspect.signature(model.forward).parameters
    for name in given:
        is_declared, is_left_out = name in declared, name in config.OMITTED_INPUTS
        if "input_ids" in declared and name in taken and is_declared == is_left_out:
            got = "a declaration and a reason" if is_declared else "neither"
            details = f"got {got}, expected a declaration or a reason in OMITTED_INPUTS"
            yield Violation("declared-inputs", name, details)


def _tolerance(model: Any, config: Any, exceptions: Iterable[RuleException]) -> Iterator[Violation]:
    """The declared `atol` is at most ten times eager's own rounding against float64."""
    measured = (
        e.rounding
        for e in exceptions
        if e.covers("float64", "", config.task) and e.rounding is not None
    )
    try:
        roundings = eager_roundings(model, config)
        is_allowed = any(config.atol <= largest_allowed_atol(rounding) for rounding in roundings)
    except UnmeasurableError as error:
        yield Violation("float64", details=str(error))
        is_allowed = any(config.atol <= largest_allowed_atol(rounding) for rounding in measured)
    if not is_allowed:
        yield Violation("tolerance", details=f"{config.atol} is over ten times eager's rounding")
