"""Which cells a selection plans, and what it says of names that select nothing."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import UsageError
from harness.evidence.fixtures import TinyModel
from harness.matrix.plan import Plan, Selection, make_plan
from harness.matrix.registry import Registry, modalities, read_registry


def ids(plan: Plan) -> list[str]:
    return [str(cell) for cell in plan]


def test_the_full_matrix_is_sorted_pairs_by_opsets_by_exporters(registry: Registry) -> None:
    plan = make_plan(Selection(opsets=(14, 18)), registry)
    assert len(plan) == 3 * 2 * 2
    assert ids(plan)[:5] == [
        "bert/fill-mask/opset14/dynamo",
        "bert/fill-mask/opset14/torchscript",
        "bert/fill-mask/opset18/dynamo",
        "bert/fill-mask/opset18/torchscript",
        "bert/question-answering/opset14/dynamo",
    ]
    assert set(plan.values()) == {("export", "opset", "agreement")}


def test_globs_and_lists_select(registry: Registry) -> None:
    selection = Selection(
        opsets=(18,), architecture="b*, vit", task="*-mask,image-*", exporter="d*"
    )
    assert ids(make_plan(selection, registry)) == [
        "bert/fill-mask/opset18/dynamo",
        "vit/image-classification/opset18/dynamo",
    ]


def test_synonyms_of_tasks_are_accepted(registry: Registry) -> None:
    plan = make_plan(Selection(opsets=(18,), task="masked-lm"), registry)
    assert {cell.task for cell in plan} == {"fill-mask"}


def test_requirements_keep_the_order_of_the_ladder(registry: Registry) -> None:
    plan = make_plan(Selection(opsets=(18,), requirement="agreement,export"), registry)
    assert set(plan.values()) == {("export", "agreement")}


@pytest.mark.parametrize(
    ("given", "option", "nearest"),
    [
        ({"architecture": "brt"}, "--architecture 'brt'", "did you mean bert?"),
        ({"architecture": "bert,x*"}, "--architecture 'x*'", "known: bert, vit"),
        ({"task": "fill-maks"}, "--task 'fill-maks'", "did you mean fill-mask?"),
        ({"exporter": "dynamoo"}, "--exporter 'dynamoo'", "did you mean dynamo?"),
        ({"requirement": "agrement"}, "--requirement 'agrement'", "did you mean agreement?"),
    ],
)
def test_a_name_that_matches_nothing_is_refused(
    registry: Registry, given: dict[str, Any], option: str, nearest: str
) -> None:
    with pytest.raises(UsageError) as caught:
        make_plan(Selection(opsets=(18,), **given), registry)
    assert str(caught.value).startswith(option)
    assert nearest in str(caught.value)


def test_names_that_never_meet_are_refused(registry: Registry) -> None:
    selection = Selection(opsets=(18,), architecture="vit", task="fill-mask")
    with pytest.raises(UsageError, match=r"vit with --task fill-mask selects no cell.*image-class"):
        make_plan(selection, registry)


@pytest.mark.parametrize("text", ["", "bert,", ",bert"])
def test_an_empty_name_is_refused(registry: Registry, text: str) -> None:
    with pytest.raises(UsageError, match=r"--architecture .* an item is empty"):
        make_plan(Selection(opsets=(18,), architecture=text), registry)


def test_the_registry_holds_what_is_described() -> None:
    registry = read_registry()
    assert list(registry.models) == sorted(registry.models)
    assert {"dynamo", "torchscript"} <= set(registry.exporters)
    assert registry.requirements[0] == "export"
    assert "fill-mask" in registry.tasks[TinyModel("bert")]
    assert modalities(["bert", "vit"]) == {"bert": "text", "vit": "vision"}
