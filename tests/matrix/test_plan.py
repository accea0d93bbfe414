"""The cells that a selection plans, and the errors for names that select nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from harness.errors import UsageError
from harness.evidence.fixtures import TinyModel
from harness.exporters import register_exporter
from harness.matrix.plan import Plan, Selection, dump_plan, make_plan, read_plan
from harness.matrix.registry import Registry, modalities, read_registry


@dataclass(frozen=True)
class Honouring:
    """An exporter that only has opsets."""

    name: str
    given: tuple[int, ...] | None

    @property
    def opsets(self) -> tuple[int, ...]:
        if self.given is None:
            raise RuntimeError("no idea")
        return self.given

    def export(self, *given: Any) -> Any:
        raise AssertionError("nothing is exported to plan")


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


def test_without_opsets_each_exporter_has_its_own(registry: Registry) -> None:
    register_exporter(Honouring("dynamo", tuple(range(17, 26))))
    register_exporter(Honouring("torchscript", tuple(range(9, 17))))
    plan = make_plan(Selection(opsets=None, architecture="vit"), registry)
    assert ids(plan) == [
        "vit/image-classification/opset9/torchscript",
        "vit/image-classification/opset16/torchscript",
        "vit/image-classification/opset17/dynamo",
        "vit/image-classification/opset18/dynamo",
        "vit/image-classification/opset25/dynamo",
    ]


def test_an_exporter_that_cannot_say_its_opsets_is_named(registry: Registry) -> None:
    register_exporter(Honouring("dynamo", None))
    with pytest.raises(UsageError, match="exporter 'dynamo': reading its opsets failed"):
        make_plan(Selection(opsets=None), registry)
    assert make_plan(Selection(opsets=None, exporter="torchscript"), registry)


def test_a_plan_travels_whole_and_in_order(registry: Registry) -> None:
    plan = make_plan(Selection(opsets=(14, 18)), registry)
    assert list(read_plan(dump_plan(plan)).items()) == list(plan.items())
