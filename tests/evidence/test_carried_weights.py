"""Weights of a file are found in the model by name or content, and eager gets a copy with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from harness.evidence.carried import carry
from harness.evidence.twin import Decoded, StoredWeight

WIDTH = 8


class Model(nn.Module):
    """An embedding that the output layer shares, and two layers of equal shape."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(11, WIDTH)
        self.query, self.key = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, 11, bias=False)
        self.head.weight = self.embed.weight


@pytest.fixture
def model() -> Model:
    return Model()


def stored(name: str, values: Any, form: str = "int8") -> StoredWeight:
    array = np.asarray(values.detach() if isinstance(values, torch.Tensor) else values, np.float32)
    same = np.ones_like(array)
    return StoredWeight(
        name=name,
        initializer=name,
        form=form,
        decode=lambda: Decoded(array, same * 0.01, -same, same),
    )


def rounded(tensor: torch.Tensor) -> torch.Tensor:
    return (tensor.detach() * 50).round() / 50


def test_a_name_decides_also_with_the_name_of_a_module_around_it(model: Model) -> None:
    values = rounded(model.query.weight)
    carried = carry(model, {"model": [stored("model.query.weight", values)]})
    assert carried.problems == ()
    got: Any = carried.model
    assert torch.equal(got.query.weight, values)
    assert torch.equal(got.key.weight, model.key.weight)
    assert not torch.equal(model.query.weight, values)


def test_a_transposed_weight_without_a_name_is_found_by_its_content(model: Model) -> None:
    values = rounded(model.key.weight)
    carried = carry(model, {"model": [stored("onnx::MatMul_9", values.T)]})
    got: Any = carried.model
    assert torch.equal(got.key.weight, values)
    (match,) = carried.matches["model"]
    assert (match.places[0].name, match.is_transposed) == ("key.weight", True)


def test_joined_weights_are_found_side_by_side(model: Model) -> None:
    query, key = rounded(model.query.weight), rounded(model.key.weight)
    joined = torch.cat([query.T, key.T], dim=1)
    got: Any = carry(model, {"model": [stored("packed", joined)]}).model
    assert torch.equal(got.query.weight, query)
    assert torch.equal(got.key.weight, key)


def test_a_shared_weight_that_is_stored_twice_is_two(model: Model) -> None:
    table, product = rounded(model.embed.weight), (model.head.weight.detach() * 20).round() / 20
    weights = [stored("table", table), stored("product", product.T)]
    carried = carry(model, {"model": weights})
    got: Any = carried.model
    assert carried.problems == ()
    assert torch.equal(got.embed.weight, table)
    assert torch.equal(got.head.weight, product)


def test_a_shared_weight_that_is_stored_once_stays_shared_in_value(model: Model) -> None:
    table = rounded(model.embed.weight)
    got: Any = carry(model, {"model": [stored("embed.weight", table)]}).model
    assert torch.equal(got.embed.weight, got.head.weight)


def test_what_is_like_no_weight_is_a_problem_unless_it_is_a_float32_constant(model: Model) -> None:
    table = np.linspace(0, 1, WIDTH * WIDTH).reshape(WIDTH, WIDTH)
    assert carry(model, {"model": [stored("table", table, "float32")]}).problems == ()
    (problem,) = carry(model, {"model": [stored("table", table)]}).problems
    assert problem == "model: no weight of the model is like table"


def test_a_constant_of_ones_is_not_taken_for_a_normalisation(model: Model) -> None:
    with torch.no_grad():
        model.norm.weight += 0.05 * torch.randn(WIDTH)
    carried = carry(model, {"model": [stored("ones", np.ones(WIDTH), "float32")]})
    assert carried.matches["model"] == ()


def test_equal_weights_without_names_get_the_same_values(model: Model) -> None:
    with torch.no_grad():
        model.key.weight.copy_(model.query.weight)
    values = rounded(model.query.weight)
    got: Any = carry(model, {"model": [stored("onnx::MatMul_1", values.T)]}).model
    assert torch.equal(got.query.weight, values)
    assert torch.equal(got.key.weight, values)


def test_similar_weights_without_names_are_a_problem(model: Model) -> None:
    with torch.no_grad():
        model.key.weight.copy_(model.query.weight + 0.01)
    values = model.query.weight + 0.005
    (problem,) = carry(model, {"model": [stored("onnx::MatMul_1", values)]}).problems
    assert problem == "model: several weights of the model are like onnx::MatMul_1"


def test_parts_that_store_other_values_are_a_problem(model: Model) -> None:
    coarse = (model.query.weight.detach() * 10).round() / 10
    files = {
        "encoder_model": [stored("query.weight", rounded(model.query.weight))],
        "decoder_model": [stored("query.weight", coarse)],
    }
    (problem,) = carry(model, files).problems
    assert problem == "encoder_model and decoder_model store query.weight with other values"


def test_float32_weights_of_the_file_are_matched_and_not_carried(model: Model) -> None:
    zeros = stored("query.bias", np.zeros(WIDTH), "float32")
    carried = carry(model, {"model": [zeros]})
    got: Any = carried.model
    assert torch.equal(got.query.bias, model.query.bias)
    assert [match.places[0].name for match in carried.matches["model"]] == ["query.bias"]
