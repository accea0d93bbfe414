"""Axes that a model divides, and axes in steps, as dims of torch.export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import ExporterError, export

SPEECH = ("wav2vec2", "audio-classification")


def test_torch_export_cannot_prove_guards_about_quotients_of_a_named_dim(
    subject: Callable[..., Any], tmp_path: Path
) -> None:
    """Should this fail, `DIVIDED_AXES` may no longer be needed."""
    one = subject(*SPEECH)

    class Named(type(one.config)):  # type: ignore[misc]
        DIVIDED_AXES: frozenset[str] = frozenset()

    config = Named(one.config.config, task=SPEECH[1])
    with pytest.raises(ExporterError, match="Not all values of sequence_length"):
        export(one.model, config, tmp_path, opset=18, exporter="dynamo")
