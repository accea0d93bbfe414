"""Run transformers' own `generate()`: the tokens it chooses, and the feeds it gives the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from harness.configs.decoding import slice_tokens, token_axis
from harness.errors import one_line
from harness.evidence.decoding import STEPS, DecodeSchedule, key_masks
from harness.evidence.memory import out_of_memory
from harness.evidence.reference import calling

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

    from harness.configs.base import OnnxConfig

    Tensors = Mapping[str, torch.Tensor]


class GenerationError(Exception):
    """`generate()` raised, chose no token, or did not feed an input that the description has."""


@dataclass(frozen=True, slots=True)
class Generation:
    """A greedy generation.

    `schedule` holds its feeds of the model. For each step but the last, `choices` holds the chosen
    tokens, [batch, steps], and `logits` eager's logits, [batch, steps, vocabulary].
    """

    schedule: DecodeSchedule
    choices: np.ndarray[Any, Any]
    logits: np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of the model: its keywords, the cache it returned, the logits of the last token."""

    keywords: Mapping[str, Any]
    cache: Any
    logits: torch.Tensor


def why_not_generated(model: Any, config: OnnxConfig) -> str | None:
    """Return why there is no `generate()` to compare with; None if there is one."""
    if token_axis(config, config.outputs.get("logits", {})) is None:
        return f"{config.task} chooses no tokens"
    can_generate = hasattr(model, "can_generate") and model.can_generate()
    return None if can_generate else f"{type(model).__name__} does not generate"


def generate(model: nn.Module, config: OnnxConfig, schedule: DecodeSchedule) -> Generation:
    """Continue the prefill of a schedule greedily with eager PyTorch's `generate()`.

    The feeds are taken from the calls of the model, not from the result of `generate()`: it adds
    start tokens and positions itself, and some architectures strip tokens from the result. Raises
    GenerationError if `generate()` raises, chooses no token, or does not feed a declared input.
    """
    prompt_end = max(schedule.ends[0], config.least_prompt(schedule.feed))
    prefill = slice_tokens(config, schedule.feed, start=0, end=prompt_end)
    prompt = {name: prefill[name] for name in config.prompt_inputs}
    for name in key_masks(config):
        prompt[name] = prompt[name].clone()
        prompt[name][:, -1] = 1  # the token that is continued
        if config.counts_positions_itself:  # generate() skips holes, the file counts them
            prompt[name][:] = 1
    calls = _calls(model, config, prompt)
    if len(calls) < 2:
        raise GenerationError("generate() chose no token to continue from")
    return _generation(config, {**schedule.feed, **prompt}, calls)


def _calls(model: Any, config: OnnxConfig, prompt: Tensors) -> Sequence[_Call]:
    """Return the calls of the model that continue a prompt.

    These share the cache of the last call. Other calls are ignored: an architecture may call
    itself for another purpose, such as to detect a language.
    """
    device = next(model.parameters()).device
    tensors = {name: tensor.to(device) for name, tensor in prompt.items()}
    calls: list[_Call] = []

    def record(module: object, args: object, keywords: dict[str, Any], outputs: Any) -> None:
        if config.STEP_INPUT in keywords:
            cache = getattr(outputs, config.call.cache, None)
            calls.append(_Call(keywords, cache, outputs.logits[:, -1]))

    hook = model.register_forward_hook(record, with_kwargs=True)
    try:
        with calling(model), _silent():
            given = {**tensors, **config.generation_inputs(tensors)}
            model.generate(**given, max_new_tokens=STEPS + 1, do_sample=False, num_beams=1)
    except Exception as error:
        raised = f"generate() raised {type(error).__name__}: {one_line(error)}"
        raise out_of_memory(error) or GenerationError(raised) from error
    finally:
        hook.remove()
    return [call for call in calls if call.cache is calls[-1].cache is not None]


def _generation(config: OnnxConfig, known: Tensors, calls: Sequence[_Call]) -> Generation:
    """Build the generation from its calls.

    Inputs over tokens are the fed tensors, concatenated. Masks over keys are the prompt's mask,
    extended by ones. All other inputs are taken from `known`.
    """
    import numpy as np
    import torch

    feed, masks = dict(known), list(key_masks(config))
    for name, axes in config.inputs.items():
        axis = token_axis(config, axes)
        if axis is None or name in masks:
            continue
        if any(not torch.is_tensor(call.keywords.get(name)) for call in calls):
            raise GenerationError(f"generate() does not feed {name}")
        given = torch.cat([call.keywords[name] for call in calls], dim=axis).cpu()
        feed[name] = config.from_generation(name, given)
    tokens = [call.keywords[config.STEP_INPUT] for call in calls]
    ends = tuple(accumulate(step.shape[-1] for step in tokens))
    for name in masks:
        ones = feed[name].new_ones(len(feed[name]), ends[-1] - feed[name].shape[1])
        feed[name] = torch.cat([feed[name], ones], dim=1)
    return Generation(
        DecodeSchedule(feed, ends),
        np.concatenate([step[:, -1:].cpu().numpy() for step in tokens[1:]], axis=1),
        np.stack([call.logits.cpu().numpy() for call in calls[:-1]], axis=1),
    )


@contextmanager
def _silent() -> Iterator[None]:
    """Silence transformers' warnings about generation settings, such as a missing pad id."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
