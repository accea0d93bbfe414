"""Tables of what was found agree with eager PyTorch."""

from __future__ import annotations

import functools

from harness.inference.description import describe
from harness.inference.proposal import Proposal, infer


@functools.cache
def _found(model_type: str, task: str) -> Proposal:
    return infer(model_type, task)


def test_texts_are_drawn_by_the_tables_if_the_configuration_nests_what_they_follow() -> None:
    """The configuration of BLIP states the number of positions of its texts, but not outside."""
    own = describe(_found("blip", "zero-shot-image-classification"))
    assert own.vocabulary is None
    assert own.table.inputs["position_ids"].kind == "positions"


def test_texts_and_images_of_a_dual_encoder_have_batches_of_their_own() -> None:
    own = describe(_found("blip", "zero-shot-image-classification"))
    assert own.problems == ()
    assert own.table.inputs["pixel_values"].axes[0] == "image_batch_size"
    assert own.table.outputs["logits_per_text"] == {0: "text_batch_size", 1: "image_batch_size"}


def test_texts_and_images_of_one_stream_have_one_batch() -> None:
    inputs = _found("vilt", "feature-extraction").feed.inputs
    assert {"input_ids", "pixel_values"} <= inputs.keys()
    assert {one.axes[0] for one in inputs.values()} == {"batch_size"}


def test_an_input_that_states_sizes_has_no_other_values_to_be_tested() -> None:
    found = _found("lighton_ocr", "image-text-to-text")
    assert found.reactions is not None
    assert [problem.name for problem in found.reactions.problems] == ["image_sizes"]
    assert found.obstacles == ()
