"""T5 and those of its kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.configs.architectures.bart import BartReaderOnnxConfig
from harness.configs.base import OnnxConfig
from harness.configs.middle_end import TextEncoderOnnxConfig, TextSeq2SeqOnnxConfig
from harness.configs.normalized_config import NormalizedSeq2SeqConfig
from harness.configs.task_table import SEQ2SEQ_TASKS
from harness.configs.tasks import register

NormalizedT5Config = NormalizedSeq2SeqConfig.with_args(
    num_layers="num_decoder_layers", num_attention_heads="num_heads", head_dim="d_kv"
)
READER_TASKS = ("question-answering", "text-classification")


@register("t5", tasks=SEQ2SEQ_TASKS)
class T5OnnxConfig(TextSeq2SeqOnnxConfig):
    """T5: relative positions of any length, heads that need not add up to the width."""

    NORMALIZED_CONFIG_CLASS = NormalizedT5Config

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        tokens = f"{self.past_axis} + {self.STEP_AXIS}"
        lengths = ("encoder_sequence_length", self.STEP_AXIS, tokens)
        return dict.fromkeys(lengths, _bucket_ends(self))


def _bucket_ends(config: OnnxConfig) -> Sequence[int]:
    """Return the distance from which on all tokens are as far: the end of the table of buckets."""
    return (config.config.relative_attention_max_distance,)


class T5ReaderOnnxConfig(BartReaderOnnxConfig):
    """T5 reading one text, as BART does. Of T5 itself this is not registered, as in Optimum."""

    NORMALIZED_CONFIG_CLASS = NormalizedT5Config

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        return {"sequence_length": _bucket_ends(self)}


class T5TokensOnnxConfig(TextEncoderOnnxConfig):
    """T5's encoder alone, classifying tokens."""

    NORMALIZED_CONFIG_CLASS = NormalizedT5Config

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        return {"sequence_length": _bucket_ends(self)}


@register("mt5", tasks=SEQ2SEQ_TASKS)
class MT5OnnxConfig(T5OnnxConfig):
    """mT5: a T5 with gates."""


@register("mt5", tasks=READER_TASKS)
class MT5ReaderOnnxConfig(T5ReaderOnnxConfig):
    """mT5 reading one text."""


@register("mt5", tasks=("token-classification",))
class MT5TokensOnnxConfig(T5TokensOnnxConfig):
    """mT5's encoder alone."""


@register("umt5", tasks=SEQ2SEQ_TASKS)
class UMT5OnnxConfig(MT5OnnxConfig):
    """UMT5: an mT5 each of whose layers has relative positions of its own."""


@register("umt5", tasks=READER_TASKS)
class UMT5ReaderOnnxConfig(MT5ReaderOnnxConfig):
    """UMT5 reading one text."""


@register("umt5", tasks=("token-classification",))
class UMT5TokensOnnxConfig(MT5TokensOnnxConfig):
    """UMT5's encoder alone."""
