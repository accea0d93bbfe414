"""`export`: writes files and judges them, or refuses bad input in one line."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import onnx
import pytest

from harness import register_exporter
from harness.evidence.models import tiny_model
from harness.exporters import exporter_names, get_exporter
from harness.exporters.torchscript import TorchScriptExporter


@pytest.fixture
def model(tiny_bert: Path, tmp_path: Path) -> Path:
    """A copy of the saved BERT, which tests damage."""
    return Path(shutil.copytree(tiny_bert, tmp_path / "model"))


def edit_config(model: Path, **changes: Any) -> None:
    path = model / "config.json"
    config = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))


def test_an_export_conforms_and_has_the_opset(run: Any, tiny_bert: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    result = run("export", "--model", tiny_bert, "--opset", 18, "--json", output)
    report = result.json("check")
    assert (result.status, report["conforms"]) == (0, True), report
    assert report["cell"] == "bert/fill-mask/opset18/dynamo", "the task follows from the class"
    versions = {
        entry.domain: entry.version for entry in onnx.load(output / "model.onnx").opset_import
    }
    assert versions[""] == 18


def test_an_opset_that_another_exporter_honours_is_a_verdict(
    run: Any, tiny_bert: Path, tmp_path: Path
) -> None:
    result = run(
        "export", "--model", tiny_bert, "--opset", 14, "--exporter", "dynamo", tmp_path / "out"
    )
    assert result.status == 1
    assert "exporters that honour 14: torchscript" in result.out
    assert result.out.splitlines()[-1] == "does not conform: bert/fill-mask/opset14/dynamo"


@pytest.mark.parametrize("exporter", ["auto", "dynamo"])
def test_an_opset_that_no_exporter_honours_is_refused_with_every_range(
    exporter: str, run: Any, tiny_bert: Path, tmp_path: Path
) -> None:
    words = ["export", "--model", tiny_bert, "--exporter", exporter, "--opset", 99]
    run(*words, tmp_path / "out").assert_refused(
        "opset 99", *(f"{name} {get_exporter(name).opsets[0]} to" for name in exporter_names())
    )


def test_a_model_that_eager_refuses_is_blamed_and_its_replay_exports_again(
    run: Any, tmp_path: Path
) -> None:
    model: Any = tiny_model("qwen3", "text-classification")
    model.config.pad_token_id = None
    model.save_pretrained(tmp_path / "model")
    words = ["--task", "text-classification", "--exporter", "torchscript", tmp_path / "out"]
    result = run("export", "--model", tmp_path / "model", *words)
    assert result.status == 1
    assert "set pad_token_id in the model's configuration\n  blame: model\n" in result.out
    _, replay = result.out.split("replay: python -m harness ")
    again = run(*shlex.split(replay.splitlines()[0]))
    assert (again.status, again.out) == (1, result.out)


def test_an_exporter_that_fails_on_inputs_that_eager_accepts_is_blamed(
    run: Any, tiny_bert: Path, tmp_path: Path
) -> None:
    class Broken(TorchScriptExporter):
        name = "broken"
        opsets = (18,)

        def write(self, *arguments: Any, **others: Any) -> None:
            raise ValueError("broken")

    register_exporter(Broken())
    result = run("export", "--model", tiny_bert, "--exporter", "broken", tmp_path / "out")
    assert result.status == 1
    assert "export: got ValueError: broken, expected a file" in result.out
    assert "blame: exporter" in result.out


@pytest.mark.parametrize(
    ("class_names", "part"),
    [
        (["BertForPreTraining"], "no task follows from its class BertForPreTraining"),
        (["BertLMHeadModel"], "no task follows from its class BertLMHeadModel"),
        ([], "no task follows"),
    ],
)
def test_a_class_that_tells_no_task_is_refused_with_the_tasks(
    class_names: list[str], part: str, run: Any, model: Path, tmp_path: Path
) -> None:
    edit_config(model, architectures=class_names)
    run("export", "--model", model, tmp_path / "out").assert_refused(
        part, "--task", "fill-mask, multiple-choice"
    )


def test_no_such_folder_is_refused(run: Any, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    run("export", "--model", missing, tmp_path / "out").assert_refused(str(missing))


@pytest.mark.parametrize("task", [[], ["--task", "fill-mask"]])
@pytest.mark.parametrize(
    ("config", "part"),
    [(None, "config.json"), ("{nonsense", "config.json"), ("{}", "model_type")],
)
def test_a_folder_without_a_usable_config_is_refused(
    config: str | None, part: str, task: list[str], run: Any, model: Path, tmp_path: Path
) -> None:
    (model / "config.json").unlink()
    if config is not None:
        (model / "config.json").write_text(config)
    run("export", "--model", model, *task, tmp_path / "out").assert_refused(str(model), part)


@pytest.mark.parametrize(
    ("model_type", "parts"),
    [
        ("zamba", ("has it", "some layers cache the state", "docs/left-out.md", "scaffold zamba")),
        ("tvp", ("has it", "not written yet", "--config-module", "CONTRIBUTING.md")),
        ("codetiny", ("not part of transformers", "--config-module", "--trust-remote-code")),
    ],
)
@pytest.mark.parametrize("task", [[], ["--task", "feature-extraction"]])
def test_a_model_type_without_description_is_explained(
    model_type: str, parts: tuple[str, ...], task: list[str], run: Any, model: Path, tmp_path: Path
) -> None:
    edit_config(model, model_type=model_type)
    result = run("export", "--model", model, *task, tmp_path / "out")
    result.assert_refused(f"{model}/config.json: model type {model_type!r}", *parts)
    assert "did you mean" not in result.err


def test_a_folder_of_another_kind_is_refused(run: Any, model: Path, tmp_path: Path) -> None:
    (model / "model.safetensors").unlink()
    (model / "adapter_config.json").write_text("{}")
    run("export", "--model", model, tmp_path / "out").assert_refused(str(model), "LoRA", "merge")


def test_what_an_export_leaves_out_is_noted(run: Any, model: Path, tmp_path: Path) -> None:
    """Half precision and the modules of sentence-transformers."""
    import torch
    from transformers import BertForMaskedLM

    half = BertForMaskedLM.from_pretrained(model).to(torch.float16)
    half.save_pretrained(model)
    modules = [{"type": "models.Transformer", "path": ""}, {"type": "models.Pooling", "path": "1"}]
    (model / "modules.json").write_text(json.dumps(modules))
    result = run("export", "--model", model, "--exporter", "torchscript", "--json", tmp_path / "o")
    report = result.json("check")
    assert report["conforms"] is True
    assert [note.split(";")[0] for note in report["scope"]["notes"]] == [
        "the checkpoint has float16 weights",
        "the folder is a sentence-transformers model (modules.json)",
    ]


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "noise"])
def test_weights_that_cannot_be_read_are_refused(
    damage: str, run: Any, model: Path, tmp_path: Path
) -> None:
    weights = model / "model.safetensors"
    content = weights.read_bytes()
    weights.unlink()
    damaged = {"empty": b"", "truncated": content[: len(content) // 2], "noise": b"\x00no" * 99}
    if damage in damaged:
        weights.write_bytes(damaged[damage])
    run("export", "--model", model, tmp_path / "out").assert_refused(str(model))


def test_a_task_that_the_architecture_lacks_is_refused(
    run: Any, tiny_bert: Path, tmp_path: Path
) -> None:
    run(
        "export", "--model", tiny_bert, "--task", "image-classification", tmp_path / "out"
    ).assert_refused("image-classification", "bert")


def test_a_hub_id_without_a_network_is_refused(run_process: Any, tmp_path: Path) -> None:
    arguments = ["export", "--model", "some-user/no-such-model", "--task", "fill-mask", "out"]
    result = run_process(*arguments, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    result.assert_refused("some-user/no-such-model")


@pytest.mark.parametrize("inside", ["", "folder"])
def test_an_output_that_cannot_be_written_is_refused(
    inside: str, run: Any, tiny_bert: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    run("export", "--model", tiny_bert, tmp_path / "file" / inside).assert_refused(
        str(tmp_path / "file")
    )
