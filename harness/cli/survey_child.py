"""The child process of a survey: it examines one pair and sends lines on it.

Importing this module imports torch and the parts of transformers that all models need, so that a
server that forks children pays for them once.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from multiprocessing.connection import Connection

import torch
import transformers.generation.utils
import transformers.masking_utils
import transformers.modeling_layers
import transformers.modeling_utils
import transformers.models.auto.modeling_auto  # noqa: F401 - imported once for all children

from harness.configs.tasks import load_architectures
from harness.inference.survey import survey_lines
from harness.isolation.limits import limit_allocations

torch.set_num_threads(1)
load_architectures()


def send_lines(
    model_type: str, task: str, connection: Connection, *, seconds: int, memory: int
) -> None:
    """Send the survey lines of a pair, within limits of CPU seconds and of bytes of memory.

    Each line replaces the one before it. What models print is dropped.
    """
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    limit_allocations(memory)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 - the null device
        sys.stdout = sys.stderr = nowhere
        for line in survey_lines(model_type, task):
            connection.send(json.dumps(line, default=str))
