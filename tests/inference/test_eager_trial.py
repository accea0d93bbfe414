"""A description fits another model if eager takes its least sizes and its patches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from torch import nn

from harness.configs.axis_space import AxisRange
from harness.configs.base import OnnxConfig
from harness.inference.comparison.eager_trial import differences_on_eager


@pytest.mark.parametrize(
    "pair",
    [
        ("bert", "fill-mask"),
        ("mixtral", "text-generation-with-past"),
        ("t5", "text2text-generation"),
    ],
)
def test_a_registered_description_fits_its_own_model(
    pair: tuple[str, str], subject: Callable[..., Any]
) -> None:
    one = subject(*pair)
    assert list(differences_on_eager(one.config, one.model)) == []


def _described_otherwise(config: OnnxConfig, **members: Any) -> OnnxConfig:
    """Return the description of a model with other members."""
    other: OnnxConfig = type("Other", (type(config),), members)(config.config, config.task)
    return other


def test_a_size_that_eager_refuses_is_a_difference(subject: Callable[..., Any]) -> None:
    one = subject("vit", "image-classification")

    def inputs(config: OnnxConfig) -> Mapping[str, Mapping[int, str]]:
        return {"pixel_values": {0: "batch_size", 2: "height"}}

    other = _described_otherwise(
        one.config, inputs=property(inputs), AXIS_RANGES={"height": AxisRange(1, 24, export=12)}
    )
    (difference,) = differences_on_eager(other, one.model)
    assert difference.startswith("eager refuses [batch_size=1, height=1, seed=0]")


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        (lambda model: setattr(model.cls.predictions, "decoder", None), "do not fit: TypeError"),
        (lambda model: setattr(model.cls, "forward", lambda hidden: hidden), "change logits"),
    ],
)
def test_a_patch_of_another_architecture_is_a_difference(
    patch: Callable[[Any], None], expected: str, subject: Callable[..., Any]
) -> None:
    one = subject("bert", "fill-mask")

    def patched(config: OnnxConfig, model: nn.Module) -> nn.Module:
        patch(model)
        return model

    other = _described_otherwise(one.config, patch_model_for_export=patched)
    (difference,) = differences_on_eager(other, one.model)
    assert f"its patches {expected}" in difference
