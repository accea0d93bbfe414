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

    ATOL_FOR_VALIDATION = {"feature-extraction": 7e-5, "text2text-generation": 5e-5}
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

    ATOL_FOR_VALIDATION = {"question-answering": 6e-5, "text-classification": 3e-5}
    NORMALIZED_CONFIG_CLASS = NormalizedT5Config

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        return {"sequence_length": _bucket_ends(self)}


class T5TokensOnnxConfig(TextEncoderOnnxConfig):
    """T5's encoder alone, classifying tokens."""

    ATOL_FOR_VALIDATION = 2.5e-5
    NORMALIZED_CONFIG_CLASS = NormalizedT5Config

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        return {"sequence_length": _bucket_ends(self)}


@register("mt5", tasks=SEQ2SEQ_TASKS)
class MT5OnnxConfig(T5OnnxConfig):
    """mT5: a T5 with gates."""

    ATOL_FOR_VALIDATION = {"feature-extraction": 3.5e-4, "text2text-generation": 5.5e-4}


@register("mt5", tasks=READER_TASKS)
class MT5ReaderOnnxConfig(T5ReaderOnnxConfig):
    """mT5 reading one text."""

    ATOL_FOR_VALIDATION = {"question-answering": 2.5e-4, "text-classification": 1e-4}


@register("mt5", tasks=("token-classification",))
class MT5TokensOnnxConfig(T5TokensOnnxConfig):
    """mT5's encoder alone."""


@register("umt5", tasks=SEQ2SEQ_TASKS)
class UMT5OnnxConfig(MT5OnnxConfig):
    """UMT5: an mT5 each of whose layers has relative positions of its own."""

    ATOL_FOR_VALIDATION = {"feature-extraction": 7e-4, "text2text-generation": 1.5e-4}


@register("umt5", tasks=READER_TASKS)
class UMT5ReaderOnnxConfig(MT5ReaderOnnxConfig):
    """UMT5 reading one text."""

    ATOL_FOR_VALIDATION = {"question-answering": 2e-4, "text-classification": 2e-4}


@register("umt5", tasks=("token-classification",))
class UMT5TokensOnnxConfig(MT5TokensOnnxConfig):
    """UMT5's encoder alone."""

    ATOL_FOR_VALIDATION = 1e-4
