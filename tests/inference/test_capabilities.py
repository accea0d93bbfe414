"""A model has the capabilities that its registered description states, and no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.inference.capabilities import CAPABILITIES, capabilities_of


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("llama", set()),
        ("mixtral", {"RoutesExperts"}),
        ("falcon_h1", {"GathersChunks"}),
        ("granitemoehybrid", {"GathersChunks", "RoutesExperts"}),
        ("qwen3_next", {"AppliesDeltaRule", "RoutesExperts"}),
        ("mamba", {"ScansTokens"}),
    ],
)
def test_a_model_has_the_capabilities_of_its_description(
    architecture: str, expected: set[str], subject: Callable[..., Any]
) -> None:
    one = subject(architecture, "text-generation")
    found = capabilities_of(one.model)
    assert {capability.__name__ for capability in found} == expected
    assert set(found) == {known for known in CAPABILITIES if isinstance(one.config, known)}
