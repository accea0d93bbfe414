"""`dynamic-axes`: what is wrong in a description is a failure of tiny models alone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.evidence.evidence import Evidence, Source
from harness.requirements.dynamic_axes import examine
from tests.faults.library import description_kinds as wrong

GPT2 = ("gpt2", "text-generation-with-past")


@pytest.mark.parametrize("judges_description", [True, False])
def test_a_wrong_description_fails_tiny_models_and_no_files_of_users(
    *, judges_description: bool, subject: Callable[..., Any], exported: Callable[..., Path]
) -> None:
    one = subject(*GPT2)
    evidence = Evidence(
        model=one.model,
        config=wrong.DoubledPast(one.config.config, task=GPT2[1]),
        source=Source(files=OrderedDict(model=exported(*GPT2))),
        judges_description=judges_description,
    )
    found = [finding.message for finding in examine(evidence)]
    assert any("does not read" in message for message in found) is judges_description
    assert bool(found) is judges_description
