"""SAM and its relatives: two files give what one call gives, for any number of prompts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from harness.configs.architectures.sam import MASK_PART, VISION_PART
from harness.evidence.reference import call_reference
from harness.exporters._wrapper import export_copy

SAMS = ("sam", "sam_hq", "sam2", "sam3_tracker")
SIZES = {"batch_size": 2, "point_batch_size": 3, "nb_points_per_image": 5}


@pytest.mark.parametrize("architecture", SAMS)
def test_embeddings_of_the_first_file_give_the_masks_of_one_call(
    architecture: str, subject: Callable[..., Any]
) -> None:
    one = subject(architecture, "mask-generation")
    feed = one.config.generate_dummy_inputs(seed=3, **SIZES)
    whole = call_reference(one.model, one.config, feed)

    def run(stem: str, given: Any) -> Any:
        part = one.config.parts[stem]
        tensors = {name: torch.as_tensor(given[name]) for name in part.inputs}
        return call_reference(one.model, part, tensors)

    masks = one.config.compose(feed, run)
    assert list(one.config.parts) == [VISION_PART, MASK_PART]
    for name, expected in whole.items():
        assert abs(masks[name] - expected).max() <= one.config.atol


@pytest.mark.parametrize("architecture", SAMS)
def test_the_exporters_copy_decodes_each_prompt_as_eager_does(
    architecture: str, subject: Callable[..., Any]
) -> None:
    one = subject(architecture, "mask-generation")
    part = one.config.parts[MASK_PART]
    feed = part.generate_dummy_inputs(seed=4, **SIZES)
    copy = part.patch_model_for_export(export_copy(one.model))
    expected, got = (call_reference(model, part, feed) for model in (one.model, copy))
    for name, array in expected.items():
        assert abs(got[name] - array).max() <= one.config.atol
