"""`scaffold` follows a registered description only if an experiment finds the same."""

from __future__ import annotations

import pytest

from harness.cli.scaffold_draft import choose_tasks
from harness.configs.architectures.clip import CLIPOnnxConfig
from harness.configs.routed_experts import RoutesExperts
from harness.configs.speech import SpeechEncoderOnnxConfig
from harness.configs.tabled import TabledOnnxConfig
from harness.errors import UsageError
from harness.inference.comparison.likeness import find_like, most_similar
from harness.inference.description import describe, tabled_class
from harness.inference.proposal import infer


def test_another_description_holds_if_the_experiment_finds_the_same() -> None:
    found = find_like(infer("siglip", "feature-extraction"), "clip")
    assert found is not None
    assert (found.described, found.tasks, found.differences) == (
        CLIPOnnxConfig,
        ("feature-extraction",),
        (),
    )


def test_a_class_that_others_are_made_of_may_hold_where_they_do_not() -> None:
    found = find_like(infer("hubert", "audio-classification"))
    assert found is not None
    assert found.described is SpeechEncoderOnnxConfig


def test_each_difference_to_the_description_that_is_followed_is_explained() -> None:
    found = find_like(infer("roberta", "fill-mask"), "distilbert")
    assert found is not None
    assert not found.tasks
    assert found.differences == ("input token_type_ids: eager takes it; it is not declared",)


def test_a_model_with_experts_is_described_as_one() -> None:
    """Eager agrees with the others as well; but no exporter would write a right file."""
    model = infer("mixtral", "text-classification")
    found = find_like(model, "llama")
    assert found is not None
    assert not found.tasks
    assert any("RoutesExperts" in line for line in found.differences)
    described = tabled_class(describe(model))
    assert issubclass(described, RoutesExperts)
    assert issubclass(described, TabledOnnxConfig)


def test_what_no_description_says_becomes_tables() -> None:
    own = describe(infer("segformer", "semantic-segmentation"))
    assert own.problems == ()
    axes = own.table.inputs["pixel_values"].axes
    assert (axes[0], *axes[2:]) == ("batch_size", "height", "width")
    assert own.table.outputs["logits"] == {
        0: "batch_size",
        2: "ceil(height / 4)",
        3: "ceil(width / 4)",
    }
    assert own.ranges["height"].export != own.ranges["width"].export


def test_similar_architectures_come_first() -> None:
    assert most_similar("siglip", "feature-extraction")[0] == "siglip2"
    assert most_similar("falcon_h1", "text-generation")[0] == "granitemoehybrid"


def test_tasks_are_those_of_transformers_that_the_other_one_has() -> None:
    assert "text-generation" in choose_tasks("roberta", (), None)
    assert "text-generation" not in choose_tasks("roberta", (), "bert")
    assert choose_tasks("roberta", ("masked-lm",), None) == ("fill-mask",)
    with pytest.raises(UsageError, match="image-classification"):
        choose_tasks("roberta", ("image-classification",), None)
