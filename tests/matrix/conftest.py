"""A small registry, so that tests of the crossing do not depend on what is registered."""

from __future__ import annotations

import pytest

from harness.matrix.registry import Registry


@pytest.fixture
def registry() -> Registry:
    return Registry(
        tasks={"bert": ("fill-mask", "question-answering"), "vit": ("image-classification",)},
        exporters=("dynamo", "torchscript"),
        requirements=("export", "opset", "agreement"),
    )
