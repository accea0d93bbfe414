"""The child process of a survey: it examines one pair and sends one line.

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
from harness.inference.survey import survey_line
from harness.isolation.limits import limit_allocations

torch.set_num_threads(1)
load_architectures()


def send_line(
    model_type: str, task: str, connection: Connection, *, seconds: int, memory: int
) -> None:
    """Send the survey line of a pair, within limits of CPU seconds and of bytes of memory.

    What models print is dropped.
    """
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    limit_allocations(memory)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 - the null device
        sys.stdout = sys.stderr = nowhere
        connection.send(json.dumps(survey_line(model_type, task), default=str))
