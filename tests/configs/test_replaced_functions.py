"""Functions that a description replaces in the exporter's copy of a model."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch

from harness.configs.replaced_functions import calling_instead, replace_forward


def scale(x: torch.Tensor) -> torch.Tensor:
    return x * 2


def renames_keywords(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate like transformers' `deprecate_kwarg`."""

    @functools.wraps(forward)
    def wrapper(*arguments: Any, **keywords: Any) -> Any:
        return forward(*arguments, **keywords)

    return wrapper


class Plain(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return scale(x)


class Decorated(torch.nn.Module):
    @renames_keywords
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return scale(x)


@pytest.mark.parametrize("kind", [Plain, Decorated])
def test_a_function_is_replaced_in_one_copy_alone(kind: type[torch.nn.Module]) -> None:
    model = torch.nn.Sequential(kind(), torch.nn.Identity())
    patched = copy.deepcopy(model)
    calling_instead(patched, "scale", lambda names: lambda x: names["scale"](x) + 1)
    ones = torch.ones(2)
    assert patched(ones).tolist() == [3.0, 3.0]
    assert model(ones).tolist() == [2.0, 2.0]
    assert scale(ones).tolist() == [2.0, 2.0]


def test_a_class_has_another_forward_in_one_copy_alone() -> None:
    model = torch.nn.Sequential(Plain(), Decorated())
    patched = replace_forward(copy.deepcopy(model), "Plain", lambda module, x: x + 2)
    ones = torch.ones(2)
    assert patched(ones).tolist() == [6.0, 6.0]
    assert model(ones).tolist() == [4.0, 4.0]


class Shifted(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return scale(x) + offset(x)


def offset(x: torch.Tensor) -> torch.Tensor:
    return x * 10


def test_two_functions_of_one_forward_are_replaced_one_after_the_other() -> None:
    model = Shifted()
    calling_instead(model, "scale", lambda _: lambda x: x * 3)
    calling_instead(model, "offset", lambda _: lambda x: x * 0)
    assert model(torch.ones(2)).tolist() == [3.0, 3.0]


def test_only_modules_of_the_named_class_call_another_function() -> None:
    model = torch.nn.Sequential(Plain(), Decorated())
    calling_instead(model, "scale", lambda _: lambda x: x * 5, kind="Plain")
    assert model(torch.ones(2)).tolist() == [10.0, 10.0]
