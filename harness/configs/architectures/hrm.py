"""The hierarchical reasoning model of text."""

from __future__ import annotations

from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.task_table import GENERATING_TASKS
from harness.configs.tasks import register


@register("hrm_text", tasks=GENERATING_TASKS)
class HrmTextOnnxConfig(LlamaOnnxConfig):
    """HRM: two stacks of layers run in turn several times, each time with a cache of its own.

    Without `token_type_ids` it is causal; with them a prefix is seen from both sides.
    """
