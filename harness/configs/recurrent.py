"""Level 2 of the description: decoders of which some layers keep a state."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Self

from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes, OnnxConfig, OnnxConfigWithPast
from harness.configs.cache_layout import CacheEntry, CacheKind, as_past
from harness.configs.decoding import half_then_single, spans
from harness.configs.dummy_inputs import DummyPastKeyValuesGenerator, DummyStateGenerator
from harness.configs.feed_generators import FeedGenerators
from harness.configs.feeds import Feed, RunPart
from harness.configs.limits import landmark_lengths, up_to_last_position
from harness.configs.normalized_config import NormalizedConfig, NormalizedTextConfig
from harness.configs.seq2seq import DECODER_PART, DECODER_WITH_PAST_PART
from harness.configs.task_table import TASKS, WITH_PAST, Axes, base_task
from harness.configs.text_inputs import DummyTextInputGenerator


class TextRecurrentDecoderOnnxConfig(OnnxConfigWithPast):
    """Causal text models of which some layers keep a state instead of keys and values.

    transformers computes the first step and the following ones by different code, so the tasks with
    a past have a part for each. A following step takes one token. A subclass states the cache, and
    with `TAKES_POSITIONS` that generation feeds position ids.
    """

    MODALITY = "text"
    NORMALIZED_CONFIG_CLASS: ClassVar[type[NormalizedConfig]] = NormalizedTextConfig
    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (
        DummyTextInputGenerator,
        DummyPastKeyValuesGenerator,
        DummyStateGenerator,
    )

    AXIS_RANGES = {"past_sequence_length": AxisRange(1, 24, export=5)}
    """A step that continues has a past of one token at least."""

    TAKES_POSITIONS: ClassVar[bool] = False

    _is_part = False
    _continues = False

    @property
    def parts(self) -> OrderedDict[str, OnnxConfig]:
        if self._is_part or not self.task.endswith(WITH_PAST):
            return super().parts
        return OrderedDict(
            {
                DECODER_PART: self._as_part(continues=False),
                DECODER_WITH_PAST_PART: self._as_part(continues=True),
            }
        )

    def _as_part(self, *, continues: bool) -> Self:
        part = copy.copy(self)
        part._is_part, part._continues = True, continues
        return part

    @property
    @abstractmethod
    def layers_cache(self) -> Iterable[CacheEntry]:
        """The entries of all layers that have a cache."""

    @property
    def cache(self) -> Sequence[CacheEntry]:
        return tuple(self.layers_cache) if self.use_past else ()

    @property
    def use_past(self) -> bool:
        return self._is_part and super().use_past

    @property
    def use_past_in_inputs(self) -> bool:
        return self._continues

    @property
    def steps_singly(self) -> bool:
        return True

    @property
    def key_axis(self) -> str:
        return f"{self.past_axis} + 1" if self._continues else self.STEP_AXIS

    @property
    def fixed_sizes(self) -> Mapping[str, Mapping[int, int]]:
        tokens = ("input_ids", "position_ids") if self._continues else ()
        return {**super().fixed_sizes, **{name: {1: 1} for name in tokens}}

    @property
    def inputs(self) -> Mapping[str, Axes]:
        tokens: Axes = {0: "batch_size", 1: "sequence_length"}
        grows = any(entry.kind is CacheKind.KEYS_VALUES for entry in self.cache)
        mask = {"attention_mask": {0: "batch_size", 1: self.key_axis}}
        if self._continues:
            tokens = {0: "batch_size"}
            mask = mask if grows else {}  # a state has dealt with the mask of the prompt
        positions = {"position_ids": dict(tokens)} if self.has_positions else {}
        return {"input_ids": tokens, **mask, **positions, **self.taken_cache}

    @property
    def has_positions(self) -> bool:
        """Whether the files take position ids."""
        generates = base_task(self.task) in {"feature-extraction", "text-generation"}
        return self.TAKES_POSITIONS and generates

    @property
    def position_reaches(self) -> Sequence[int]:
        return self.normalized_config.position_reaches if self.has_positions else ()

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self._continues:
            for name in TASKS[base_task(self.task)].outputs:
                outputs[name] = {0: "batch_size"}
        return outputs

    def compose(self, feed: Feed, run: RunPart, ends: Sequence[int] | None = None) -> Feed:
        """Decode a prompt, then one token after the other, or up to `ends`.

        The prompt is half of the tokens, and all that are masked: a state keeps nothing of a token
        that is masked in a prompt, but of every token of a later step.
        """
        import numpy as np

        parts, tokens = self.parts, feed["input_ids"]
        steps: list[Feed] = []
        past: Feed = {}
        if ends is None:
            masked = np.flatnonzero((feed["attention_mask"] == 0).any(axis=0))
            singly = half_then_single(tokens.shape[1])
            ends = [end for end in singly if not masked.size or end > masked[-1]]
        for start, end in spans(ends):
            stem = DECODER_WITH_PAST_PART if start else DECODER_PART
            known = {"input_ids": tokens[:, start:end], **past}
            known["attention_mask"] = feed["attention_mask"][:, :end]
            if self.has_positions:
                known["position_ids"] = feed["position_ids"][:, start:end]
            steps.append(run(stem, {name: known[name] for name in parts[stem].inputs}))
            past = as_past(steps[-1])
        return {name: np.concatenate([s[name] for s in steps], axis=1) for name in self.outputs}

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        limits = (up_to_last_position(axis, self.normalized_config) for axis in self._lengths)
        return {axis: size for limit in limits for axis, size in limit.items()}

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        return dict.fromkeys(self._lengths, landmark_lengths(self.normalized_config))

    @property
    def _lengths(self) -> tuple[str, ...]:
        """The lengths of the keys of a query, in this part or in all parts."""
        entries = (entry for part in self.parts.values() for entry in part.cache)
        grows = any(entry.kind is CacheKind.KEYS_VALUES for entry in entries)
        has_prompt, has_step = not self._continues, self._continues or not self._is_part
        lengths = (self.STEP_AXIS,) if has_prompt else ()
        return (*lengths, f"{self.past_axis} + 1") if grows and has_step else lengths
