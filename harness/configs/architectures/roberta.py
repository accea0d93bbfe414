"""RoBERTa and the encoders that count positions as it does, past their padding id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from harness.configs.architectures.bert import BertOnnxConfig
from harness.configs.normalized_config import NormalizedTextConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import ENCODER_TASKS
from harness.configs.tasks import register


class NormalizedRobertaConfig(NormalizedTextConfig):
    """The position of a token is the number of tokens up to it that are no padding, plus the
    padding id: the first rows of the table are never reached."""

    @property
    def max_positions(self) -> int:
        """The longest text."""
        return int(self.config.max_position_embeddings - self.config.pad_token_id - 1)


NO_TOKEN_TYPES = {
    "token_type_ids": "the tokenizers of its checkpoints return none, whatever type_vocab_size says"
}


@register("roberta", tasks=ENCODER_TASKS)
class RobertaOnnxConfig(BertOnnxConfig):
    """RoBERTa: positions follow from the token ids; all tokens are of type 0. So it is with its
    relatives."""

    NORMALIZED_CONFIG_CLASS = NormalizedRobertaConfig
    INPUT_NAMES: tuple[str, ...] = ("input_ids", "attention_mask")
    OMITTED_INPUTS: ClassVar[Mapping[str, str]] = NO_TOKEN_TYPES


@register("luke", tasks=ENCODER_TASKS)
class LukeOnnxConfig(RobertaOnnxConfig):
    """LUKE reading words alone: the entities among them are left out, as forward allows."""

    INPUT_NAMES = BertOnnxConfig.INPUT_NAMES
    OMITTED_INPUTS = {}


register_rows(
    RobertaOnnxConfig,
    Row("xlm-roberta", "XLMRoberta", ENCODER_TASKS, "many languages"),
    Row("camembert", "Camembert", ENCODER_TASKS, "French"),
    Row("data2vec-text", "Data2VecText", ENCODER_TASKS, "another training"),
    Row("roberta-prelayernorm", "RobertaPreLayerNorm", ENCODER_TASKS, "norms before its blocks"),
    Row("xlm-roberta-xl", "XLMRobertaXL", ENCODER_TASKS, "norms before its blocks"),
    Row("xmod", "Xmod", ENCODER_TASKS, "adapters of each language, used for the default one"),
    Row("ibert", "IBert", ENCODER_TASKS, "in floating point, as checkpoints are loaded"),
    Row("mpnet", "MPNet", ENCODER_TASKS, "relative positions in every layer"),
)
