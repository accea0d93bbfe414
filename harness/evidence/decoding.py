"""Run a cell's files as generation does: a prefill, then steps that continue from the cache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.configs.axes import AxisExpression, AxisSizes, shape_problems
from harness.configs.cache_layout import CacheKind
from harness.configs.decoding import empty_past, slice_tokens, spans, token_count
from harness.configs.dummy_feeds import sizes_in
from harness.configs.feeds import is_ordinary
from harness.errors import DescriptionError, one_line
from harness.evidence.reference import EagerError, as_tensors, call_in_steps
from harness.evidence.session import CandidateError
from harness.evidence.sides import compose_parts

if TYPE_CHECKING:
    import numpy as np
    import torch

    from harness.configs.base import OnnxConfig
    from harness.configs.feeds import Feed
    from harness.evidence.example import Example
    from harness.evidence.reference import Arrays
    from harness.evidence.sides import PartEvidence, Sides

STEPS = 5
"""Number of single-token steps at the end of each schedule."""


@dataclass(frozen=True, slots=True)
class DecodeSchedule:
    """A feed for all tokens, without a past, and the steps in which the files take them.

    `ends` holds the number of tokens done after each step; the first step is the prefill.
    """

    feed: Mapping[str, torch.Tensor]
    ends: tuple[int, ...]

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Start and end of each step, counted in tokens."""
        return list(spans(self.ends))


@dataclass(frozen=True, slots=True)
class DecodeReference:
    """Eager PyTorch's outputs for all tokens of a schedule, by name.

    `in_one_call` has them from one full forward, `in_steps` from the steps of the schedule, with
    transformers' own cache. `in_steps` is None if the model cannot tell them apart.
    """

    in_one_call: Arrays
    in_steps: Arrays | None


@dataclass(frozen=True, slots=True)
class Call:
    """One run of one part during decoding."""

    part: PartEvidence
    feed: Feed
    outputs: Feed


class DecodingError(Exception):
    """A part refuses a step, or returns outputs that the next step cannot take.

    `stem` names the part.
    """

    def __init__(self, stem: str, message: str) -> None:
        super().__init__(message)
        self.stem = stem


class Decoding:
    """Computes the same tokens in two ways: by eager PyTorch, and by the files step by step.

    `sides` are all files of a cell. `calls` holds the calls of the last run.
    """

    def __init__(self, sides: Sides) -> None:
        self.config = sides.subject.config
        self.sides = sides
        self.calls: list[Call] = []
        self._model = sides.subject.model
        self._parts = {part.stem: part for part in sides.parts}
        self._min_past = _min_past(self.config)

    def schedule_for(self, example: Example) -> DecodeSchedule:
        """Return the schedule of an example.

        The prefill takes as many tokens as the example has past, the next step takes the example's
        tokens at once, then `STEPS` steps take one token each. If the past is 0, or the cache has
        no length, the prefill takes the tokens. If steps take one token only, all of them do after
        the prefill. If the model has too few positions, the first steps are shorter or left out.
        """
        config = self.config
        past, sizes = example.axes.get(config.past_axis, 0), decoded_sizes(config, example)
        drawn = config.generate_dummy_inputs(seed=example.seed, **sizes)
        length = token_count(config, drawn)
        singly = past if past and config.steps_singly else length - STEPS
        cuts = {past, *range(singly, length + 1)}
        ends = tuple(sorted(end for end in cuts if 0 < end <= length))
        feed = slice_tokens(config, drawn, start=0, end=length) | empty_past(config, drawn)
        for name in key_masks(config):
            feed[name] = _padded(feed[name], reach=ends[0], seed=example.seed)
            if config.steps_singly:
                feed[name][:, ends[0] :] = 1  # a state keeps tokens of a step though masked
        feed = config.follow_masks(feed) if is_ordinary(example.seed) else feed
        return DecodeSchedule(feed, ends)

    def defined_queries(self, schedule: DecodeSchedule) -> np.ndarray[Any, Any] | None:
        """Return whether each query sees a key, [batch, tokens]; None if no mask hides keys."""
        name = next(key_masks(self.config), None)
        return None if name is None else schedule.feed[name].numpy().cumsum(axis=1) > 0

    def reference(self, schedule: DecodeSchedule) -> DecodeReference:
        """Return eager PyTorch's outputs for all tokens; raises EagerError if it refuses the feed.

        The steps are called only if rotary frequencies follow the length of a call. For any other
        model, steps that differ from the full forward are a defect, and must not be a reference.
        """
        full = self.sides.eager(schedule.feed)
        follows = getattr(self.config.normalized_config, "rope_follows_length", False)
        may_differ = self.config.use_past and follows
        return DecodeReference(full, self._call_in_steps(schedule) if may_differ else None)

    def _call_in_steps(self, schedule: DecodeSchedule) -> Arrays:
        try:
            return call_in_steps(self._model, self.config, schedule.feed, schedule.ends)
        except Exception as error:
            raise EagerError(f"{type(error).__name__}: {one_line(error)}") from error

    def run(self, schedule: DecodeSchedule) -> Feed:
        """Run the files step by step, return the outputs; raises DecodingError if a step fails."""
        self.calls = []
        feed = {name: tensor.numpy() for name, tensor in schedule.feed.items()}

        def run_part(stem: str, part_feed: Feed) -> Feed:
            return self._run_part(self._parts[stem], part_feed)

        return compose_parts(self.config, feed, run_part, schedule.ends)

    def _run_part(self, part: PartEvidence, feed: Feed) -> Feed:
        """Run one part and check the outputs' sizes; raises DecodingError if the next step cannot
        take them."""
        sizes = sizes_in(part.config.inputs, {name: a.shape for name, a in feed.items()})
        place = self._place(part.config, sizes)
        try:
            past = sizes.get(self.config.past_axis, 0)
            if part.config.use_past_in_inputs and past < self._min_past:
                outputs = part.eager(as_tensors(feed))  # the file needs a longer past
            else:
                outputs = part.run(feed)
        except CandidateError as error:
            message = f"{place}: got {error} from ONNX Runtime, expected it to run"
            raise DecodingError(part.stem, message) from error
        self.calls.append(Call(part, feed, outputs))
        for problem in _problems(part.config, outputs, sizes | part.config.derived_sizes(feed)):
            raise DecodingError(part.stem, f"{place}: {problem}")
        return outputs

    def _place(self, config: OnnxConfig, sizes: AxisSizes) -> str:
        """Return the name of a call in messages."""
        tokens = sizes.get(self.config.STEP_AXIS, 1 if config.use_past_in_inputs else None)
        if tokens is None:
            return "encoding"
        if config.use_past_in_inputs and self.config.past_axis not in sizes:
            return "1 token after others"
        past = sizes.get(self.config.past_axis, 0)
        return step_name(past, past + tokens)


def decoding_of(sides: Sides) -> Decoding:
    """Return the decoding by all files of a cell: the same object at each call."""
    return sides.keep("decoding", lambda: Decoding(sides))


def decoded_sizes(config: OnnxConfig, example: Example) -> dict[str, int]:
    """Return the axis sizes of the full forward with which a decode schedule is compared."""
    past, tokens = example.axes.get(config.past_axis, 0), example.axes[config.STEP_AXIS]
    longer = {**example.axes, config.STEP_AXIS: past + tokens + STEPS}
    if config.past_axis in longer:
        longer[config.past_axis] = _min_past(config)
    return config.axis_space.fit(longer)


def step_name(start: int, end: int) -> str:
    """Return the name of a step in messages."""
    tokens = f"{end - start} token" if end - start == 1 else f"{end - start} tokens"
    return f"{tokens} after a past of {start}" if start else f"prefill of {tokens}"


def key_masks(config: OnnxConfig) -> Iterator[str]:
    """Yield the names of the masks over tokens."""
    for name in config.masks:
        texts = config.inputs[name].values()
        if any(config.STEP_AXIS in AxisExpression.parse(text).names for text in texts):
            yield name


def _min_past(config: OnnxConfig) -> int:
    """Return the shortest past that a file takes; 0 if the cache has no length.

    Raises DescriptionError if it has a length, but no input has its axis.
    """
    ranges = config.axis_space.ranges
    entries = (entry for part in config.parts.values() for entry in part.cache)
    if all(entry.kind is CacheKind.STATE for entry in entries):
        return 0
    if config.past_axis not in ranges:
        raise DescriptionError(
            f"{type(config).__name__}: no input has the axis {config.past_axis!r}; name it in "
            "`cache`, or set STEP_AXIS to the axis name of the decoder's tokens"
        )
    return ranges[config.past_axis].low


def _padded(mask: torch.Tensor, *, reach: int, seed: int) -> torch.Tensor:
    """Return a mask whose rows are, in turn, as drawn, padded on the left, and all ones.

    `reach` is the length of the prefill. The padding ends before the prefill's last token.
    """
    import torch

    kinds = (torch.arange(len(mask)) + seed)[:, None] % 3
    start = 1 + seed % (reach - 1) if reach > 1 else 0
    left = torch.arange(mask.shape[1]) >= start
    return mask.where(kinds == 0, torch.where(kinds == 1, left, True).to(mask.dtype))


def _problems(config: OnnxConfig, outputs: Feed, sizes: Mapping[str, int]) -> Iterator[str]:
    """Yield why the next step cannot take these outputs."""
    for name in (name for name in config.outputs if name not in outputs):
        yield f"outputs: got {', '.join(outputs)}, expected {name} among them"
    present = {name: axes for name, axes in config.outputs.items() if name in outputs}
    shapes = {name: outputs[name].shape for name in present}
    yield from shape_problems(present, shapes, sizes)
