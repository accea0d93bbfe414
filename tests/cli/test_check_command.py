"""`check`: gives a verdict on every ONNX model, and refuses other files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest


@pytest.fixture
def check(run: Any, tiny_bert: Path) -> Any:
    """Run `check` on a file against the saved BERT."""

    def check_file(file: Path, *options: object) -> Any:
        return run("check", file, "--model", tiny_bert, "--task", "fill-mask", *options)

    return check_file


def test_a_right_file_conforms(check: Any, bert_onnx: Path) -> None:
    result = check(bert_onnx, "--opset", 18)
    assert result.status == 0
    assert "✓  agreement" in result.out
    assert result.out.splitlines()[-1].startswith("conforms: bert/fill-mask/opset18/")


def test_a_folder_is_judged_as_its_file_is(check: Any, bert_onnx: Path) -> None:
    assert check(bert_onnx.parent).status == 0


def test_json_is_the_verdict_and_nothing_else(check: Any, bert_onnx: Path) -> None:
    report = check(bert_onnx, "--json").json("check")
    assert report["conforms"] is True
    agreement = next(r for r in report["requirements"] if r["id"] == "agreement")
    assert agreement["outcome"] == "passed"
    assert agreement["examples"] > 0
    assert agreement["worst"]["error_ratio"] <= 1


def test_the_scope_stands_before_the_verdict(check: Any, bert_onnx: Path) -> None:
    lines = check(
        bert_onnx, "--requirement", "opset", "--requirement", "agreement"
    ).out.splitlines()
    judged, tolerance, reached, not_asked, verdict = lines[-5:]
    assert judged == f"judged: model.onnx in {bert_onnx.parent}, in float32"
    assert tolerance.startswith("tolerance (measured: 10 x eager's own rounding): logits ")
    assert "sequence_length" in reached
    assert not_asked.startswith("not asked for: export, checker, ")
    assert verdict.startswith("opset, agreement passed; 11 requirements not asked for: bert/")


def test_the_scope_is_part_of_the_json(check: Any, bert_onnx: Path) -> None:
    report = check(bert_onnx, "--requirement", "agreement", "--json").json("check")
    assert report["verdict"] == "agreement passed; 12 requirements not asked for"
    assert report["scope"]["judged"] == ["model.onnx"]
    (agreement,) = report["requirements"]
    assert agreement["tolerance_origin"] == "measured: 10 x eager's own rounding"


def test_another_opset_than_asked_does_not_conform(check: Any, bert_onnx: Path) -> None:
    result = check(bert_onnx, "--opset", 19, "--json")
    outcomes = {r["id"]: r["outcome"] for r in result.json("check")["requirements"]}
    assert result.status == 1
    assert outcomes["opset"] == "failed"


def test_a_tolerance_that_nothing_meets_does_not_conform(check: Any, bert_onnx: Path) -> None:
    result = check(bert_onnx, "--atol", "1e-12")
    assert result.status == 1
    assert "✗  agreement" in result.out
    assert result.out.splitlines()[-1].startswith("does not conform: ")


def test_a_model_that_the_runtime_refuses_gets_a_verdict(
    check: Any, bert_onnx: Path, tmp_path: Path
) -> None:
    model = onnx.load(bert_onnx)
    model.graph.node[-1].op_type = "NoSuchOperator"
    onnx.save(model, tmp_path / "refused.onnx")
    assert check(tmp_path / "refused.onnx").status == 1


@pytest.mark.parametrize("content", [None, b"", b"no ONNX model, just text"])
def test_what_is_no_onnx_model_is_refused(
    content: bytes | None, check: Any, tmp_path: Path
) -> None:
    path = tmp_path / "bad.onnx"
    if content is not None:
        path.write_bytes(content)
    check(path).assert_refused(str(path))


def test_a_truncated_model_is_refused(check: Any, bert_onnx: Path, tmp_path: Path) -> None:
    path = tmp_path / "truncated.onnx"
    content = bert_onnx.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    check(path).assert_refused(str(path))


def test_a_folder_without_models_is_refused(check: Any, tmp_path: Path) -> None:
    check(tmp_path).assert_refused(str(tmp_path))


def test_a_model_folder_without_config_is_refused(
    run: Any, bert_onnx: Path, tmp_path: Path
) -> None:
    run("check", bert_onnx, "--model", tmp_path, "--task", "fill-mask").assert_refused(
        str(tmp_path), "config.json"
    )


@pytest.fixture
def edited(bert_onnx: Path, tmp_path: Path) -> Any:
    """Save an edited copy of the exported BERT."""

    def save(edit: Any) -> Path:
        model = onnx.load(bert_onnx)
        edit(model)
        onnx.save(model, tmp_path / "edited.onnx")
        return tmp_path / "edited.onnx"

    return save


def cast_to_float16(model: onnx.ModelProto) -> None:
    output = model.graph.output[0]
    cast = onnx.helper.make_node("Cast", [output.name], ["half"], to=onnx.TensorProto.FLOAT16)
    rename(model, output.name, "wide")
    cast.input[0], cast.output[0] = "wide", output.name
    model.graph.node.append(cast)
    output.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16


def rename(model: onnx.ModelProto, old: str, new: str) -> None:
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]


def pool(model: onnx.ModelProto) -> None:
    """Give a file the two outputs of a sentence-transformers export."""
    output = model.graph.output[0]
    rename(model, output.name, "token_embeddings")
    model.graph.node.append(
        onnx.helper.make_node("Identity", ["token_embeddings"], ["sentence_embedding"])
    )
    pooled = model.graph.output.add()
    pooled.CopyFrom(output)
    output.name, pooled.name = "token_embeddings", "sentence_embedding"


def round_weights(model: onnx.ModelProto) -> None:
    """Store a weight as int8, as weight-only quantisation does."""
    import numpy as np

    weight = next(t for t in model.graph.initializer if len(t.dims) == 2)
    values = onnx.numpy_helper.to_array(weight)
    scale = np.float32(np.abs(values).max() / 127)
    codes = np.round(values / scale).astype(np.int8)
    name = weight.name
    weight.CopyFrom(onnx.numpy_helper.from_array(codes, f"{name}_codes"))
    model.graph.initializer.append(onnx.numpy_helper.from_array(scale, f"{name}_scale"))
    node = onnx.helper.make_node("DequantizeLinear", [weight.name, f"{name}_scale"], [name])
    model.graph.node.insert(0, node)


def test_a_float16_output_is_judged_in_steps_and_named(check: Any, edited: Any) -> None:
    asked = [word for step in ("loads", "graph") for word in ("--requirement", step)]
    result = check(edited(cast_to_float16), *asked)
    assert result.status == 0, result.out
    assert "✓  graph/interface" in result.out
    assert "note: model: logits is float16, not float32" in result.out


def test_a_sentence_transformers_export_is_called_one(check: Any, edited: Any) -> None:
    result = check(edited(pool))
    assert result.status == 1
    assert "lost: logits; undeclared: token_embeddings, sentence_embedding" in result.out
    assert "its pooling (sentence_embedding) is not supported and not judged" in result.out
    assert "blame: exporter" not in result.out


def test_a_quantised_file_is_judged_in_steps(check: Any, edited: Any) -> None:
    asked = [word for step in ("stored-weights", "agreement") for word in ("--requirement", step)]
    result = check(edited(round_weights), *asked)
    assert result.status == 0, result.out
    assert "✓  stored-weights" in result.out
    assert "✓  graph/agreement" in result.out
    assert "edited.onnx in" in result.out
    assert ", in float32 and int8\n" in result.out


def test_a_git_lfs_pointer_is_refused(check: Any, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("version https://git-lfs.github.com/spec/v1\n")
    check(tmp_path / "model.onnx").assert_refused("Git LFS pointer", "git lfs pull")
