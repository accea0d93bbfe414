"""T5 and those of its kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.configs.architectures.bart import BartReaderOnnxConfig
from harness.configs.base import OnnxConfig
from harness.configs.middle_end import TextEncoderOnnxConfig, TextSeq2SeqOnnxConfig
from harness.configs.normalized_config import NormalizedSeq2SeqConfig
from harness.configs.rows import Row, register_rows
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


register_rows(
    T5OnnxConfig,
    Row("mt5", "MT5", SEQ2SEQ_TASKS, "gates in feed-forward layers"),
    Row("umt5", "UMT5", SEQ2SEQ_TASKS, "mT5, relative positions in every layer"),
)

register_rows(
    T5ReaderOnnxConfig,
    Row("mt5", "MT5Reader", READER_TASKS, "reads one text"),
    Row("umt5", "UMT5Reader", READER_TASKS, "reads one text"),
)

register_rows(
    T5TokensOnnxConfig,
    Row("mt5", "MT5Tokens", ("token-classification",), "its encoder alone"),
    Row("umt5", "UMT5Tokens", ("token-classification",), "its encoder alone"),
)
