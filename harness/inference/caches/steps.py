"""The step lengths that eager itself gets right after a past.

A prompt and steps after it must give what one call over all tokens gives. Some models are wrong for
several tokens after a past: their step has one token.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from harness.configs.dummy_inputs import MASK_INPUTS
from harness.errors import one_line
from harness.evidence.float64 import float64_by_default, float64_copy
from harness.evidence.reference import calling, to_float64
from harness.inference.experiments.cache_tensors import Held, is_cache_output, tensors_of
from harness.inference.experiments.eager_model import EagerModel, cache_in
from harness.inference.experiments.inferred_axes import InferredAxes, InferredAxis
from harness.inference.tensor_outputs import tensor_outputs

if TYPE_CHECKING:
    import torch

    from harness.inference.experiments.experiment import ExperimentFeed, Place

STEP_INPUTS = ("decoder_input_ids", "decoder_inputs_embeds", "input_ids", "inputs_embeds")
"""Inputs that hold the tokens of a decoder, the inputs of an encoder-decoder first."""


TOKEN_INPUTS = ("input_ids", "decoder_input_ids", "position_ids")
"""Inputs with one number for each token of a step, along their last axis."""


class MaskUse(enum.Enum):
    """The places of a mask that a step gets: all up to its end, its own places, or no mask."""

    ALL = "all"
    STEP = "step"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class StepWay:
    """How a step is called: with which part of a mask, and whether with its positions.

    Some models count positions from 0 in each step unless they are given.
    """

    mask: MaskUse
    gives_positions: bool = False


POSITIONS = "position_ids"
MASKS = MASK_INPUTS | {"decoder_attention_mask"}

TOKENS = 11
"""More than twice the windows of tiny models, and enough for several steps."""

LEAST_STEPS = 4
"""So many tokens follow the least prompt, such as the placeholders of an image."""

ALLOWED = 1e-4
"""The most that steps may differ from one call, as a share of an output's spread."""

_SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCheck:
    """The numbers of tokens of a prompt and of the steps after it, and how far they are off.

    `difference` is a share of the spread of the outputs, infinite if eager refuses a step. It is
    the smallest one of all ways to call a step, and `way` the first of these that is right.
    """

    lengths: tuple[int, ...]
    difference: float
    way: StepWay
    refusal: str = ""

    @property
    def is_single(self) -> bool:
        """Whether each step after the prompt has one token."""
        return set(self.lengths[1:]) == {1}

    @property
    def is_right(self) -> bool:
        return self.difference <= ALLOWED


@dataclass(frozen=True, slots=True, kw_only=True)
class InferredSteps:
    """What steps after a past give. `before` and `after` are caches with one step between."""

    checks: tuple[StepCheck, ...]
    before: Mapping[Held, torch.Tensor]
    after: Mapping[Held, torch.Tensor]

    @property
    def single_is_right(self) -> bool:
        """Whether steps of one token are right after some prompt, and after none is wrong."""
        checks = [check for check in self.checks if check.is_single and not check.refusal]
        return bool(checks) and all(check.is_right for check in checks)

    @property
    def needs_positions(self) -> bool:
        """Whether steps are right only if their positions are given."""
        return any(check.is_right and check.way.gives_positions for check in self.checks)

    @property
    def several_is_right(self) -> bool:
        """Whether steps of several tokens are right after each prompt that eager accepts."""
        checks = [check for check in self.checks if not check.is_single and not check.refusal]
        return bool(checks) and all(check.is_right for check in checks)


def token_axis(feed: ExperimentFeed, axes: InferredAxes) -> InferredAxis | None:
    """Return the axis of the tokens of a decoder, None if the inputs have none."""
    for name in (name for name in STEP_INPUTS if name in feed.inputs):
        label = feed.inputs[name].axes[1]
        return axes.axis_of(label) if isinstance(label, str) else None
    return None


def infer_steps(model: EagerModel, feed: ExperimentFeed, axes: InferredAxes) -> InferredSteps:
    """Compare prompts and steps with one call over all tokens, in float64.

    Some models refuse float64, since they convert values to float32 themselves; they are compared
    in float32. Raises ValueError if the feed has no tokens, and what the model raises for all
    tokens.
    """
    axis = token_axis(feed, axes)
    if axis is None:
        raise ValueError("no input holds tokens whose number can change")
    try:
        return _Steps(model, feed, axes, axis, in_float64=True).run()
    except Exception:  # eager may raise what it likes
        return _Steps(model, feed, axes, axis, in_float64=False).run()


class _Steps:
    def __init__(
        self,
        model: EagerModel,
        feed: ExperimentFeed,
        axes: InferredAxes,
        axis: InferredAxis,
        *,
        in_float64: bool,
    ) -> None:
        self.in_float64 = in_float64
        called = float64_copy(model.model) if in_float64 else model.model
        self.model = EagerModel(called, use_cache=True)
        self.axes, self.axis = axes, axis
        self.count = self._count()
        self.places = dict(self._places(feed))
        drawn = feed.draw({**feed.export_sizes, **self._sizes(feed)}, seed=_SEED)
        ones = {name: tensor.new_ones(tensor.shape) for name, tensor in drawn.items()}
        masked = {name: ones[name] if name in MASKS else one for name, one in drawn.items()}
        self.feed = to_float64(masked) if in_float64 else masked

    def _count(self) -> int:
        sizes, count = self.axis.sizes, max(TOKENS, self.axis.sizes.least + LEAST_STEPS)
        return count if sizes.largest is None else min(count, sizes.largest)

    def _sizes(self, feed: ExperimentFeed) -> dict[str, int]:
        return {
            label: self.count
            for name, index in self.places.items()
            for label in [feed.inputs[name].axes[index]]
            if isinstance(label, str)
        }

    def _places(self, feed: ExperimentFeed) -> Iterator[Place]:
        """Yield the inputs over tokens, with the index of that axis."""
        for name, one in feed.inputs.items():
            for index, label in enumerate(one.axes):
                text = self.axes.followers.get(str(label))
                follows = text is not None and text.text == self.axis.name
                if label in self.axis.labels or follows:
                    yield name, index

    def run(self) -> InferredSteps:
        with float64_by_default() if self.in_float64 else contextlib.nullcontext():
            whole = self._whole()
            checks = [self._check(lengths, whole) for lengths in self._schedules()]
            right = [check.way for check in checks if check.is_right]
            before, after = self._caches([*right, StepWay(MaskUse.ALL)][0])
        return InferredSteps(checks=tuple(checks), before=before, after=after)

    def _whole(self) -> dict[str, torch.Tensor]:
        """Return the outputs of one call, without a cache unless eager refuses that in float64."""
        without_cache = EagerModel(self.model.model)
        with calling(self.model.model):
            try:
                result = without_cache.result(self.feed)
            except Exception:
                result = self.model.result(self.feed)
        return dict(tensor_outputs(result))

    def _schedules(self) -> Iterator[tuple[int, ...]]:
        """Yield numbers of tokens: of a prompt, and of steps of one token or of several."""
        half = self.count // 2
        yield (half, *[1] * (self.count - half))
        yield (1, *[1] * (self.count - 1))
        yield (self.count - 2, 1, 1)
        yield (half, self.count - half)
        yield (half, 2, self.count - half - 2)
        yield (1, self.count - 1)
        yield (self.count - 3, 3)

    def _check(self, lengths: Sequence[int], whole: Mapping[str, torch.Tensor]) -> StepCheck:
        return min((self._checked(lengths, whole, way) for way in self._ways), key=_order)

    @property
    def _ways(self) -> Sequence[StepWay]:
        masks = list(MaskUse) if MASKS.intersection(self.places) else [MaskUse.ALL]
        takes_positions = self.model.takes(POSITIONS) and POSITIONS not in self.feed
        given = (False, True) if takes_positions else (False,)
        return [StepWay(mask, positions) for positions in given for mask in masks]

    def _checked(
        self, lengths: Sequence[int], whole: Mapping[str, torch.Tensor], way: StepWay
    ) -> StepCheck:
        difference, refusal = float("inf"), ""
        try:
            with calling(self.model.model):
                steps = [dict(tensor_outputs(one)) for one in self._results(lengths, way)]
            difference = self._difference(steps, whole)
        except Exception as error:  # eager may raise what it likes
            refusal = f"{type(error).__name__}: {one_line(error)}"
        return StepCheck(lengths=tuple(lengths), difference=difference, way=way, refusal=refusal)

    def _results(self, lengths: Sequence[int], way: StepWay) -> Iterator[Any]:
        cache: Any = None
        ends = [sum(lengths[:number]) for number in range(len(lengths) + 1)]
        for start, end in pairwise(ends):
            result = self.model.result(self._step_feed(start, end, way), cache=cache)
            cache = cache_in(result)
            yield result

    def _step_feed(self, start: int, end: int, way: StepWay) -> dict[str, torch.Tensor]:
        """Return the inputs of some tokens. What is over no token belongs to the prompt.

        An encoder-decoder takes it at each step.
        """
        feed = {name: self._cut(name, start, end) for name in self.feed}
        if start == 0:
            return feed
        if not any(name.startswith("decoder_") for name in feed):
            feed = {name: one for name, one in feed.items() if name in self.places}
        masks = MASKS.intersection(self.places)
        match way.mask:
            case MaskUse.STEP:
                feed |= {
                    name: feed[name].narrow(self.places[name], start, end - start) for name in masks
                }
            case MaskUse.NONE:
                feed = {name: one for name, one in feed.items() if name not in masks}
        if way.gives_positions:
            feed[POSITIONS] = self._positions(start, end)
        return feed

    def _positions(self, start: int, end: int) -> torch.Tensor:
        import torch

        rows = next(self.feed[name].shape[0] for name in STEP_INPUTS if name in self.feed)
        return torch.arange(start, end).expand(rows, -1)

    def _cut(self, name: str, start: int, end: int) -> torch.Tensor:
        """Return an input of a step. A mask also has the places before it."""
        if name not in self.places:
            return self.feed[name]
        first = 0 if name in MASKS else start
        return self.feed[name].narrow(self.places[name], first, end - first)

    def _difference(
        self, steps: Sequence[Mapping[str, torch.Tensor]], whole: Mapping[str, torch.Tensor]
    ) -> float:
        import torch

        shares = [0.0]
        for name, index in self._token_outputs():
            got = torch.cat([step[name] for step in steps], dim=index)
            spread = float(whole[name].std())
            if got.shape != whole[name].shape:
                return float("inf")
            shares.append(float((got - whole[name]).abs().max()) / max(spread, ALLOWED))
        return max(shares) if all(share == share for share in shares) else float("inf")

    def _token_outputs(self) -> Iterator[Place]:
        for name, axes in self.axes.outputs.items():
            for index, axis in enumerate(axes):
                if not is_cache_output(name) and str(axis) == self.axis.name:
                    yield name, index

    def _caches(self, way: StepWay) -> tuple[dict[Held, torch.Tensor], dict[Held, torch.Tensor]]:
        """Return the caches of a prompt, and of the prompt and one step; empty if eager refuses."""
        seen: list[dict[Held, torch.Tensor]] = []
        with calling(self.model.model), contextlib.suppress(Exception):
            for result in self._results((self.count - 1, 1), way):
                cache = cache_in(result)
                held = {} if cache is None else tensors_of(cache)
                seen.append({place: tensor.clone() for place, tensor in held.items()})
        seen += [{}, {}]
        return seen[0], seen[1]


def _order(check: StepCheck) -> tuple[bool, float]:
    return (not check.is_right, 0.0 if check.is_right else check.difference)
