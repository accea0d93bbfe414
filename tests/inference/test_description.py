"""Tables of what was found agree with eager PyTorch."""

from __future__ import annotations

import functools
from dataclasses import replace

from harness.configs.setting import Setting
from harness.inference.description import describe
from harness.inference.experiments.inferred_axes import OutputAxis
from harness.inference.proposal import Proposal, infer


@functools.cache
def _found(model_type: str, task: str) -> Proposal:
    return infer(model_type, task)


def test_texts_follow_the_nested_configuration_that_states_their_vocabulary() -> None:
    own = describe(_found("blip", "zero-shot-image-classification"))
    assert own.vocabulary == Setting("text_config.vocab_size")


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
    own = describe(found)
    assert own.problems == ()
    assert own.table.inputs["pixel_values"].axes[2:] == ("height", "width")


def test_outputs_of_unknown_sizes_are_left_out_beside_the_result_of_the_task() -> None:
    """Grounding DINO gives its images' features of three strides in one axis."""
    found = _found("grounding-dino", "zero-shot-object-detection")
    assert found.obstacles == ()
    assert "encoder_last_hidden_state_vision" not in found.outputs
    why = found.left_out["encoder_last_hidden_state_vision"]
    assert why == "no known formula gives its sizes: axis 1 is unknown"


def test_the_result_of_the_task_is_not_left_out() -> None:
    found = _found("blip", "zero-shot-image-classification")
    assert found.axes is not None
    first, *_ = found.axes.outputs
    unknown = {first: (OutputAxis(first=3),)}
    other = replace(found, axes=replace(found.axes, outputs=unknown))
    assert other.obstacles == (f"ambiguous axis {first}.0: unknown; which is right?",)


def test_no_size_is_1_at_the_export_size_of_an_axis() -> None:
    """torch.export takes 1 as fixed. TimesFM's patches are 32 values long."""
    own = describe(_found("timesfm2_5", "feature-extraction"))
    assert own.table.outputs["last_hidden_state"][1] == "past_values_1 // 32"
    assert own.ranges["past_values_1"].export == 64


def test_an_axis_ends_where_eager_does_although_no_setting_says_so() -> None:
    """Fun-ASR counts positions from one, so its table holds one less than its setting."""
    own = describe(_found("fun_asr_nano_encoder", "feature-extraction"))
    assert own.ceilings == {"num_frames": 119}


def test_an_axis_begins_later_if_eager_refuses_all_least_sizes_together() -> None:
    """Mistral 3 drops the axis of a single token of a single image."""
    own = describe(_found("mistral3", "feature-extraction"))
    assert own.ranges["height"].low + own.ranges["width"].low > 2 * 28
    (note,) = own.notes
    assert "eager refuses [batch_size=1, height=28" in note
