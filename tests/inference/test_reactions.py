"""Inputs that move nothing, outputs that nothing moves, and infinite values are named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import nn

from harness.inference.comparison.described_feed import DescribedFeed
from harness.inference.experiments.reactions import ProblemKind, infer_reactions
from tests.inference.small_experiments import FewAxes

BERT = ("bert", "fill-mask")


@pytest.mark.parametrize(
    "pair",
    [
        BERT,
        ("detr", "object-detection"),
        ("qwen2_vl", "image-text-to-text"),
        ("t5", "text2text-generation"),
    ],
)
def test_a_tiny_model_reacts_to_each_input(
    pair: tuple[str, str], subject: Callable[..., Any]
) -> None:
    one = subject(*pair)
    assert infer_reactions(one.model, DescribedFeed(one.config)).problems == ()


class _Changed(nn.Module):
    """BERT, whose result a test changes; it may ignore some inputs."""

    def __init__(
        self, model: Any, *, change: Callable[[Any], Any] = lambda result: result, ignored: str = ""
    ) -> None:
        super().__init__()
        self.model, self.change, self.ignored = model, change, ignored

    def forward(self, **inputs: torch.Tensor) -> Any:
        inputs.pop(self.ignored, None)
        return self.change(self.model(**inputs))


class _Shown(DescribedFeed):
    """A feed whose masks show everything."""

    def draw(self, sizes: Mapping[str, int], *, seed: int) -> dict[str, torch.Tensor]:
        feed = super().draw(sizes, seed=seed)
        return {**feed, "attention_mask": torch.ones_like(feed["attention_mask"])}


def test_a_mask_that_shows_everything_is_changed(subject: Callable[..., Any]) -> None:
    one = subject(*BERT)
    feed = _Shown(one.config)
    assert infer_reactions(one.model, feed).problems == ()
    ignoring = infer_reactions(_Changed(one.model, ignored="attention_mask"), feed)
    assert [problem.name for problem in ignoring.problems] == ["attention_mask"]


class _OneGrid(nn.Module):
    """Reads the sides of a grid of six patches; other numbers of patches are refused."""

    def forward(self, grid: torch.Tensor) -> dict[str, torch.Tensor]:
        if (grid[:, 0] != 1).any() or (grid[:, 1:] == 1).any() or (grid.prod(dim=-1) != 6).any():
            raise ValueError("the grid does not fit")
        return {"output": grid[:, 1:].float() * torch.tensor([1.0, 10.0])}


@dataclass(frozen=True, slots=True)
class _GridFeed:
    """Feeds that all have the same grid."""

    inputs: Mapping[str, FewAxes] = field(default_factory=lambda: {"grid": FewAxes((2, 3))})
    export_sizes: Mapping[str, int] = field(default_factory=dict)

    def draw(self, sizes: Mapping[str, int], *, seed: int) -> dict[str, torch.Tensor]:
        return {"grid": torch.tensor([[1, 2, 3]] * 2)}


def test_a_grid_that_must_fit_is_turned() -> None:
    assert infer_reactions(_OneGrid(), _GridFeed()).problems == ()


def _problems(model: nn.Module, subject: Callable[..., Any]) -> list[tuple[ProblemKind, str]]:
    found = infer_reactions(model, DescribedFeed(subject(*BERT).config))
    return [(problem.kind, problem.name) for problem in found.problems]


@pytest.mark.parametrize("ignored", ["attention_mask", "token_type_ids"])
def test_an_input_that_is_ignored_is_inert(ignored: str, subject: Callable[..., Any]) -> None:
    model = _Changed(subject(*BERT).model, ignored=ignored)
    assert _problems(model, subject) == [(ProblemKind.INERT, ignored)]


def test_a_movement_within_rounding_is_none(
    subject: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = subject(*BERT)

    def forward(**inputs: torch.Tensor) -> Any:
        types = inputs.pop("token_type_ids")
        result = one.model(**inputs)
        result.logits = result.logits * (1 + 1e-6 * types.float().mean())
        return result

    model = _Changed(one.model)
    monkeypatch.setattr(model, "forward", forward)
    assert _problems(model, subject) == [(ProblemKind.INERT, "token_type_ids")]


class _Narrow(_Changed):
    """A model that multiplies its weights by constants in float32."""

    def __init__(self, model: Any, *, ignored: str = "") -> None:
        super().__init__(model, ignored=ignored)
        self.scale = nn.Parameter(torch.ones(2, 2), requires_grad=False)

    def forward(self, **inputs: torch.Tensor) -> Any:
        torch.ones(2, 2, dtype=torch.float32) @ self.scale
        return super().forward(**inputs)


@pytest.mark.parametrize("ignored", ["", "token_type_ids"])
def test_rounding_is_measured_although_a_model_refuses_float64(
    ignored: str, subject: Callable[..., Any]
) -> None:
    model = _Narrow(subject(*BERT).model, ignored=ignored)
    expected = [(ProblemKind.INERT, ignored)] if ignored else []
    assert _problems(model, subject) == expected


def test_an_output_that_nothing_moves_is_still(subject: Callable[..., Any]) -> None:
    def add_constant(result: Any) -> Any:
        return {**result, "constant": torch.ones(3)}

    model = _Changed(subject(*BERT).model, change=add_constant)
    assert _problems(model, subject) == [(ProblemKind.STILL, "constant")]


def test_an_output_that_is_not_finite_is_named(subject: Callable[..., Any]) -> None:
    def spoil(result: Any) -> Any:
        result.logits[0, 0, 0] = torch.nan
        return result

    model = _Changed(subject(*BERT).model, change=spoil)
    assert _problems(model, subject) == [(ProblemKind.NON_FINITE, "logits")]


def test_minus_infinity_marks_what_is_masked(subject: Callable[..., Any]) -> None:
    def mask(result: Any) -> Any:
        result.logits[:, :, -1] = -torch.inf
        return {**result, "nothing": torch.full((2,), -torch.inf)}

    model = _Changed(subject(*BERT).model, change=mask)
    assert (ProblemKind.NON_FINITE, "logits") not in _problems(model, subject)
    assert (ProblemKind.NON_FINITE, "nothing") in _problems(model, subject)


class _WithoutNothingShown(_Changed):
    """A model that gives NaN for rows of which nothing is shown."""

    def forward(self, **inputs: torch.Tensor) -> Any:
        result = super().forward(**inputs)
        result.logits[~inputs["attention_mask"].bool().any(dim=1)] = torch.nan
        return result


def test_a_mask_is_tried_before_rows_that_show_nothing(subject: Callable[..., Any]) -> None:
    one = subject(*BERT)
    assert infer_reactions(_WithoutNothingShown(one.model), _Shown(one.config)).problems == ()


def test_an_input_whose_other_values_are_refused_is_untested(
    subject: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = subject(*BERT)
    first = DescribedFeed(one.config)
    types = first.draw(first.export_sizes, seed=0)["token_type_ids"]

    def forward(**inputs: torch.Tensor) -> Any:
        if not inputs["token_type_ids"].equal(types):
            raise ValueError("other types")
        return one.model(**inputs)

    model = _Changed(one.model)
    monkeypatch.setattr(model, "forward", forward)
    assert _problems(model, subject) == [(ProblemKind.UNTESTED, "token_type_ids")]
