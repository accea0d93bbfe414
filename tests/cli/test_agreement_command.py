"""`agreement`: registered descriptions beside what inference finds."""

from __future__ import annotations

from typing import Any

import pytest

from harness.configs.architectures.vit import ViTOnnxConfig

VIT = ("--architecture", "vit", "--task", "image-classification")


def test_a_description_that_agrees_is_one_line(run: Any) -> None:
    result = run("agreement", *VIT)
    assert result.status == 0
    line, summary = result.out.splitlines()
    assert line.startswith("vit/image-classification: agrees (")
    assert summary == "1 of 1 agree, 0 have exceptions, 0 differ"


def test_a_difference_is_named_and_gives_status_1(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ViTOnnxConfig, "outputs", {"logits": {}})
    result = run("agreement", *VIT)
    assert result.status == 1
    assert result.out.splitlines()[1:] == [
        "  inferred-outputs model:logits.0: eager gives batch_size; declared is None",
        "0 of 1 agree, 0 have exceptions, 1 differ",
    ]


def test_an_unknown_architecture_is_refused(run: Any) -> None:
    run("agreement", "--architecture", "vitt").assert_refused("vitt", "vit")
