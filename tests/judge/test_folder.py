"""What a folder has: variants by suffix and by form, their files, and why one cannot be judged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from harness import UsageError
from harness.judge.folder import Variant, find_variants, may_have_variants, variant_named

SEQ2SEQ = "text2text-generation-with-past"
ENCODER, DECODER, WITH_PAST = "encoder_model", "decoder_model", "decoder_with_past_model"
MERGED = "decoder_model_merged"
UNMERGED = (ENCODER, DECODER, WITH_PAST)


def write(path: Path, *, has_branches: bool = False) -> None:
    """Write a small ONNX file, with the input of merged decoders or without it."""
    inputs = [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])]
    if has_branches:
        inputs.append(helper.make_tensor_value_info("use_cache_branch", onnx.TensorProto.BOOL, [1]))
    outputs = [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])]
    node = helper.make_node("Identity", ["x"], ["y"])
    path.parent.mkdir(exist_ok=True)
    onnx.save(helper.make_model(helper.make_graph([node], "one", inputs, outputs)), path)


@pytest.fixture
def find(subject: Callable[..., Any], tmp_path: Path) -> Callable[..., dict[str, Variant]]:
    """Return a function that writes files of these names and finds variants, by label."""

    def run(
        *names: str, architecture: str = "t5", task: str = SEQ2SEQ, has_branches: bool = True
    ) -> dict[str, Variant]:
        for name in names:
            write(tmp_path / f"{name}.onnx", has_branches=has_branches and "_merged" in name)
        found = find_variants(tmp_path, subject(architecture, task).config)
        assert all(variant.bytes > 0 for variant in found)
        return {variant.label: variant for variant in found}

    return run


def stems(variant: Variant) -> tuple[str, ...]:
    return tuple(path.stem for path in variant.files.values())


def test_each_suffix_is_a_variant_and_the_plain_file_the_first(find: Callable[..., Any]) -> None:
    names = ("model_q4f16", "model_fp16", "model", "model_bnb4")
    found = find(*names, architecture="bert", task="fill-mask")
    assert {label: stems(v) for label, v in found.items()} == {
        "plain": ("model",),
        "fp16": ("model_fp16",),
        "q4f16": ("model_q4f16",),
        "bnb4": ("model_bnb4",),
    }
    assert next(iter(found)) == "plain"
    assert found["plain"].name == ""


def test_a_single_file_of_another_name_has_variants_too(find: Callable[..., Any]) -> None:
    found = find("mine", "mine_int8", architecture="bert", task="fill-mask")
    assert list(found) == ["plain", "int8"]


def test_files_in_the_folder_onnx_are_found(find: Callable[..., Any]) -> None:
    found = find("onnx/model", "onnx/model_q4", architecture="bert", task="fill-mask")
    assert list(found) == ["plain", "q4"]


def test_parts_with_a_merged_decoder_are_one_variant_of_each_suffix(
    find: Callable[..., Any],
) -> None:
    found = find(ENCODER, MERGED, f"{ENCODER}_quantized", f"{MERGED}_quantized")
    assert {label: stems(v) for label, v in found.items()} == {
        "plain": (ENCODER, MERGED, MERGED),
        "quantized": (f"{ENCODER}_quantized", *[f"{MERGED}_quantized"] * 2),
    }
    assert len(found["plain"].paths) == 2
    assert all(variant.why_not is None for variant in found.values())


def test_a_merged_decoder_beside_the_parts_is_a_variant_of_its_own(
    find: Callable[..., Any],
) -> None:
    found = find(*UNMERGED, MERGED, f"{DECODER}_fp16", f"{WITH_PAST}_fp16", f"{MERGED}_fp16")
    assert list(found) == ["plain", "merged", "fp16", "merged_fp16"]
    assert stems(found["merged"]) == (ENCODER, MERGED, MERGED)
    assert found["merged_fp16"].plain_parts == (ENCODER,)


@pytest.mark.parametrize("decoders", [(DECODER, WITH_PAST), (MERGED,)])
def test_a_part_without_the_suffix_has_the_plain_file(
    decoders: tuple[str, ...], find: Callable[..., Any]
) -> None:
    found = find(ENCODER, *decoders, f"{ENCODER}_fp16")
    assert list(found) == ["plain", "fp16"]
    assert found["fp16"].plain_parts == (DECODER, WITH_PAST)
    assert found["fp16"].files[ENCODER].stem == f"{ENCODER}_fp16"
    assert found["fp16"].why_not is None


def test_a_variant_that_lacks_a_part_says_which(find: Callable[..., Any]) -> None:
    found = find(ENCODER, f"{MERGED}_q4", f"{ENCODER}_q4")
    assert "no decoder_model.onnx and no decoder_with_past_model.onnx" in found["plain"].why_not
    assert found["q4"].why_not is None


def test_a_merged_decoder_without_branches_cannot_be_judged(find: Callable[..., Any]) -> None:
    found = find(*UNMERGED, MERGED, has_branches=False)
    assert found["plain"].why_not is None
    assert "without the input use_cache_branch" in found["merged"].why_not


def test_a_merged_decoder_that_is_no_model_says_so(
    find: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / f"{MERGED}.onnx").write_bytes(b"broken")
    assert "is not an ONNX model" in find(*UNMERGED)["merged"].why_not


def test_a_decoder_without_an_encoder_may_be_merged(find: Callable[..., Any]) -> None:
    names = (DECODER, WITH_PAST, MERGED)
    found = find(*names, architecture="gpt2", task="text-generation-with-past")
    assert {label: stems(v) for label, v in found.items()} == {"plain": (MERGED,)}


@pytest.mark.parametrize(("named", "labels"), [("gen", ["plain", "genai"]), ("model", ["plain"])])
def test_a_folder_of_genai_is_a_variant_that_is_not_judged(
    named: str, labels: list[str], find: Callable[..., Any], tmp_path: Path
) -> None:
    content = {"model": {"decoder": {"filename": f"{named}.onnx"}}}
    (tmp_path / "genai_config.json").write_text(json.dumps(content))
    write(tmp_path / "inner" / "other.onnx")
    names = ("model", named)
    found = find(*names, architecture="bert", task="fill-mask")
    assert list(found) == labels
    if "genai" in labels:
        assert "GenAI" in found["genai"].why_not


def test_external_data_counts_and_a_variant_of_another_suffix_does_not(
    find: Callable[..., Any], tmp_path: Path
) -> None:
    write(tmp_path / "model.onnx")
    before = (tmp_path / "model.onnx").stat().st_size
    model = onnx.load(tmp_path / "model.onnx")
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(1000, np.float32), "w"))
    onnx.save(model, tmp_path / "model.onnx", save_as_external_data=True, location="weights.bin")
    found = find("model_q4", architecture="bert", task="fill-mask")
    assert before + 4000 < found["plain"].bytes < before + 4500
    assert found["q4"].bytes < 4000


def test_an_unknown_variant_is_refused_with_the_known_ones(find: Callable[..., Any]) -> None:
    found = find("model", "model_fp16", architecture="bert", task="fill-mask")
    variants = tuple(found.values())
    assert variant_named(variants, "plain").name == variant_named(variants, "").name == ""
    with pytest.raises(UsageError, match="did you mean fp16"):
        variant_named(variants, "fp61")


def test_names_alone_say_whether_a_folder_may_have_variants(tmp_path: Path) -> None:
    write(tmp_path / "onnx" / "model.onnx")
    assert not may_have_variants(tmp_path)
    write(tmp_path / "onnx" / "model_q4.onnx")
    assert may_have_variants(tmp_path)
    assert not may_have_variants(tmp_path / "onnx" / "model_q4.onnx")
