"""A model in float64: the same bits whether all layers are converted at once or one at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from harness.evidence.cell_files import Source
from harness.evidence.eager_part import EagerPart
from harness.evidence.evidence import Evidence
from harness.evidence.float64 import as_float32, float64_by_default, float64_copy
from harness.evidence.model_copies import ModelCopies
from harness.evidence.reference import call_reference, to_float64


@pytest.mark.parametrize(
    ("architecture", "task"),
    [
        ("bert", "fill-mask"),
        ("llama", "text-generation-with-past"),
        ("vit", "image-classification"),
        ("bart", "text2text-generation-with-past"),
        ("mixtral", "text-generation"),
    ],
)
def test_layer_by_layer_gives_the_bits_of_a_whole_copy(
    architecture: str, task: str, subject: Callable[..., Any]
) -> None:
    one = subject(architecture, task)
    whole: Any = copy.deepcopy(one.model).double()
    if hasattr(whole, "set_experts_implementation"):
        whole.set_experts_implementation("eager")
    before = {name: tensor.clone() for name, tensor in one.model.state_dict().items()}
    at_once, by_layer = float64_copy(one.model), float64_copy(one.model, limit=0)
    for config in one.config.parts.values():
        feed = to_float64(config.generate_dummy_inputs())
        expected = call_reference(whole, config, feed)
        assert any(array.dtype == "float64" for array in expected.values())
        for model in (at_once, by_layer):
            got = call_reference(model, config, feed)
            assert {n: a.tobytes() for n, a in got.items()} == {
                n: a.tobytes() for n, a in expected.items()
            }
    after = one.model.state_dict()
    assert all(t.dtype == after[n].dtype and t.equal(after[n]) for n, t in before.items())


def test_one_layer_at_a_time_is_in_float64(subject: Callable[..., Any]) -> None:
    one = subject("bert", "fill-mask")
    model: Any = float64_copy(one.model, limit=0)
    layers = model.bert.encoder.layer
    seen: list[list[torch.dtype]] = []

    def look(*_: object) -> None:
        seen.append([next(layer.parameters()).dtype for layer in layers])

    for layer in layers:
        layer.register_forward_pre_hook(look)
    call_reference(model, one.config, to_float64(one.config.generate_dummy_inputs()))
    narrow, wide = torch.float32, torch.float64
    assert seen == [[wide, narrow], [narrow, wide]]
    look()
    assert seen[-1] == [narrow, narrow]
    stored = one.model.bert.encoder.layer[0].output.dense.weight
    assert layers[0].output.dense.weight.data_ptr() == stored.data_ptr()


def test_a_layer_that_raises_is_converted_back(subject: Callable[..., Any]) -> None:
    one = subject("bert", "fill-mask")
    model: Any = float64_copy(one.model, limit=0)
    layer = model.bert.encoder.layer[0]
    with pytest.raises(Exception, match="mat1"):
        layer(torch.zeros(1, 2, 3, dtype=torch.float64))
    assert next(layer.parameters()).dtype == torch.float32


def test_a_model_that_fills_masks_with_the_least_float64_runs(subject: Callable[..., Any]) -> None:
    """XGLM makes a tensor of it without a dtype, which float32 cannot hold."""
    one = subject("xglm", "text-generation")
    evidence = Evidence(model=one.model, config=one.config, source=Source())
    (part,) = evidence.parts
    example = evidence.subject.first_example
    outputs = part.eager.in_float64(part.feed(example))
    assert outputs["logits"].dtype == "float64"
    np.testing.assert_allclose(outputs["logits"], part.reference(example)["logits"], atol=1e-4)
    assert torch.get_default_dtype() == torch.float32


def test_numbers_out_of_range_become_the_limits_of_float32() -> None:
    wide = np.array([1.5, np.finfo(np.float64).min, 1e300, -np.inf, np.nan])
    limits = np.finfo(np.float32)
    expected = np.array([1.5, limits.min, limits.max, -np.inf, np.nan], dtype=np.float32)
    np.testing.assert_array_equal(as_float32(wide), expected)


def test_a_float32_mask_is_read_as_float64() -> None:
    """PyTorch alone reads other numbers from it, here beside 26 keys."""
    from torch.nn.functional import scaled_dot_product_attention as attend

    generator = torch.Generator().manual_seed(0)
    shape = (3, 4, 26, 8)
    queries, keys, values = (
        torch.randn(shape, dtype=torch.float64, generator=generator) for _ in range(3)
    )
    mask = torch.randn(3, 4, 26, 26, generator=generator)
    expected = attend(queries, keys, values, attn_mask=mask.double())
    with float64_by_default():
        got = attend(queries, keys, values, attn_mask=mask)
    assert torch.equal(got, expected)
    alone = attend(queries, keys, values, attn_mask=mask)
    assert not torch.equal(alone, expected), "PyTorch reads such masks now: remove the mode"


def test_a_float32_mask_is_filled_with_numbers_that_float32_cannot_hold() -> None:
    """PyTorch alone makes NaN of what is shown, since the number is infinite in float32."""
    least, shown = torch.finfo(torch.float64).min, torch.tensor([1.0, 0.0])

    def fill() -> torch.Tensor:
        return (1.0 - shown) * least

    with float64_by_default():
        assert fill().tolist() == [0.0, least]
    assert fill()[0].isnan(), "PyTorch multiplies such masks now: remove the rule"


class _Narrow(torch.nn.Module):
    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden.float()


def test_a_model_that_asks_for_float32_before_a_product_is_computed_in_float64(
    subject: Callable[..., Any],
) -> None:
    one = subject("bert", "fill-mask")
    plain, narrow = copy.deepcopy(one.model), copy.deepcopy(one.model)
    for model, activation in ((plain, torch.nn.Identity()), (narrow, _Narrow())):
        for layer in model.bert.encoder.layer:
            layer.intermediate.intermediate_act_fn = activation
    feed = one.config.generate_dummy_inputs()
    expected, got = (
        EagerPart(ModelCopies(model), one.config).in_float64(feed) for model in (plain, narrow)
    )
    np.testing.assert_array_equal(got["logits"], expected["logits"])
