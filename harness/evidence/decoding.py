"""A cell's files run as generation runs them: a prefill, then steps from the cache so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.configs.axes import AxisExpression, shape_problems
from harness.configs.decoding import empty_past, slice_tokens, spans, token_count
from harness.errors import DescriptionError
from harness.evidence.session import CandidateError
from harness.evidence.sides import as_tensors

if TYPE_CHECKING:
    import numpy as np
    import torch

    from harness.configs.base import Feed, OnnxConfig
    from harness.evidence.evidence import Evidence
    from harness.evidence.reference import Arrays
    from harness.evidence.sides import Example, PartEvidence

STEPS = 5
"""Single tokens at the end of each course."""


@dataclass(frozen=True, slots=True)
class Course:
    """A feed of the whole without a past, and how many tokens there are after each step."""

    feed: Mapping[str, torch.Tensor]
    ends: tuple[int, ...]

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Where each step begins and ends."""
        return list(spans(self.ends))


@dataclass(frozen=True, slots=True)
class Call:
    """One run of one part on the way."""

    part: PartEvidence
    feed: Feed
    outputs: Feed


class DecodingError(Exception):
    """A part refuses a step, or returns what the next one cannot take."""

    def __init__(self, stem: str, message: str) -> None:
        super().__init__(message)
        self.stem = stem


class Decoding:
    """Eager's full forward over some tokens, and the same tokens taken step by step by the files.

    `calls` are those of the last run; `kept` is for those who look at them.
    """

    def __init__(self, owner: Evidence) -> None:
        self.config: OnnxConfig = owner.config
        self.sides = owner.together or owner.parts[0]
        self.calls: list[Call] = []
        self.kept: dict[object, Any] = {}
        self._parts = {part.stem: part for part in owner.parts}
        self._least_past = _least_past(self.config)

    def course(self, example: Example) -> Course:
        """The past of an example as the prefill, its tokens at once, then single steps.

        A past of 0 leaves the tokens to the prefill. Where the model has too few positions, what
        comes first is shorter.
        """
        config = self.config
        past, tokens = example.axes[config.past_axis], example.axes[config.STEP_AXIS]
        longer = {config.past_axis: self._least_past, config.STEP_AXIS: past + tokens + STEPS}
        sizes = config.axis_space.fit({**example.axes, **longer})
        drawn = config.generate_dummy_inputs(seed=example.seed, **sizes)
        length = token_count(config, drawn)
        cuts = {past, *range(length - STEPS, length + 1)}
        ends = tuple(sorted(end for end in cuts if 0 < end <= length))
        feed = slice_tokens(config, drawn, start=0, end=length) | empty_past(config, drawn)
        for name in key_masks(config):
            feed[name] = _padded(feed[name], reach=ends[0], seed=example.seed)
        return Course(feed, ends)

    def defined(self, course: Course) -> np.ndarray[Any, Any] | None:
        """Which queries see a key, of shape [batch, tokens]; None where no mask hides keys."""
        name = next(key_masks(self.config), None)
        return None if name is None else course.feed[name].numpy().cumsum(axis=1) > 0

    def full(self, course: Course) -> Arrays:
        """What eager PyTorch gives for all tokens at once; raises EagerError."""
        return self.sides.eager(course.feed)

    def run(self, course: Course) -> Feed:
        """What the files give, step by step; raises DecodingError where they do not go on."""
        self.calls = []
        feed = {name: tensor.numpy() for name, tensor in course.feed.items()}

        def run_part(stem: str, part_feed: Feed) -> Feed:
            return self._run_part(self._parts[stem], part_feed)

        return self.config.compose(feed, run_part, course.ends)

    def _run_part(self, part: PartEvidence, feed: Feed) -> Feed:
        """One call, whose outputs have the sizes that the next one is declared to take."""
        sizes = _sizes(part.config, feed)
        past, tokens = sizes.get(self.config.past_axis, 0), sizes.get(self.config.STEP_AXIS)
        place = "encoding" if tokens is None else step_name(past, past + tokens)
        try:
            if part.config.use_past_in_inputs and past < self._least_past:
                outputs = part.eager(as_tensors(feed))  # the file begins at a longer past
            else:
                outputs = part.run(feed)
        except CandidateError as error:
            message = f"{place}: got {error} from ONNX Runtime, expected it to run"
            raise DecodingError(part.stem, message) from error
        self.calls.append(Call(part, feed, outputs))
        for problem in _problems(part.config, outputs, sizes):
            raise DecodingError(part.stem, f"{place}: {problem}")
        return outputs


def step_name(start: int, end: int) -> str:
    """What a step is called in messages."""
    tokens = f"{end - start} token" if end - start == 1 else f"{end - start} tokens"
    return f"{tokens} after a past of {start}" if start else f"prefill of {tokens}"


def key_masks(config: OnnxConfig) -> Iterator[str]:
    """The inputs over the keys of past and tokens."""
    for name, axes in config.inputs.items():
        names = [set(AxisExpression.parse(text).names) for text in axes.values()]
        if {config.past_axis, config.STEP_AXIS} in names:
            yield name


def _least_past(config: OnnxConfig) -> int:
    """The shortest past that a file takes; raises DescriptionError where none is declared."""
    ranges = config.axis_space.ranges
    if config.past_axis not in ranges:
        raise DescriptionError(
            f"{type(config).__name__}: no input has the axis {config.past_axis!r}; STEP_AXIS is to "
            "name the axis of a decoder's tokens, and that of its past is named after it"
        )
    return ranges[config.past_axis].low


def _padded(mask: torch.Tensor, *, reach: int, seed: int) -> torch.Tensor:
    """Rows of a mask in turn as drawn, of ones alone, and padded on the left within `reach`, the
    length of the prefill, whose last token is a token."""
    import torch

    kinds = (torch.arange(len(mask)) + seed)[:, None] % 3
    start = 1 + seed % (reach - 1) if reach > 1 else 0
    left = torch.arange(mask.shape[1]) >= start
    return mask.where(kinds == 0, torch.where(kinds == 1, left, True).to(mask.dtype))


def _sizes(config: OnnxConfig, feed: Feed) -> dict[str, int]:
    """Axis name -> size in a feed."""
    return {
        text: feed[name].shape[axis]
        for name, axes in config.inputs.items()
        for axis, text in axes.items()
        if AxisExpression.parse(text).is_plain
    }


def _problems(config: OnnxConfig, outputs: Feed, sizes: Mapping[str, int]) -> Iterator[str]:
    """What keeps a step from going on with the outputs of the one before."""
    for name in (name for name in config.outputs if name not in outputs):
        yield f"outputs: got {', '.join(outputs)}, expected {name} among them"
    present = {name: axes for name, axes in config.outputs.items() if name in outputs}
    shapes = {name: outputs[name].shape for name in present}
    yield from shape_problems(present, shapes, sizes)
