"""A small registry, so that tests of the matrix do not depend on the registered architectures."""

from __future__ import annotations

import pytest

from harness.evidence.fixtures import TinyModel
from harness.matrix.registry import Registry


@pytest.fixture
def registry() -> Registry:
    return Registry(
        tasks={
            TinyModel("bert"): ("fill-mask", "question-answering"),
            TinyModel("vit"): ("image-classification",),
        },
        exporters=("dynamo", "torchscript"),
        requirements=("export", "opset", "agreement"),
    )
