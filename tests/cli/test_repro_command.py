"""`repro`: writes scripts that show a defect without the harness, or refuses and writes nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROTARY = "llama/text-classification/opset23/dynamo"  # docs/findings/dynamo-opset23-rotary.md
DECODER = "gpt2/text-generation-with-past/opset18/torchscript"
PARTS = "t5/text2text-generation-with-past/opset18/torchscript"
ALONE = """
import runpy, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"harness", "reports", "conformance"}:
            raise ImportError(f"{name} is not there")
sys.meta_path.insert(0, Refuse())
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def run_alone(script: Path) -> subprocess.CompletedProcess[str]:
    """Run a script in its folder without PYTHONPATH, so that it cannot import the harness."""
    command = [sys.executable, "-I", "-c", ALONE, str(script)]
    return subprocess.run(
        command, cwd=script.parent, capture_output=True, text=True, check=False, timeout=600
    )


@pytest.mark.full
def test_a_defect_shows_without_a_harness(run: Any, tmp_path: Path) -> None:
    script = tmp_path / "new" / "repro.py"
    axes = ("--axes", "batch_size=2", "--seed", 3)
    result = run("repro", ROTARY, *axes, "--requirement", "agreement", "-o", script)
    assert result.status == 0, result.err
    assert result.out.splitlines()[-1] == f"{script} shows agreement of {ROTARY}"
    assert "RotaryEmbedding" in script.read_text(encoding="utf-8").partition("import")[0]
    done = run_alone(script)
    assert done.returncode == 1, done.stderr
    assert "RotaryEmbedding" in done.stdout
    assert done.stdout.splitlines()[-1] == "defect reproduced"


@pytest.mark.full
def test_a_cell_that_conforms_shows_nothing(run: Any, tmp_path: Path) -> None:
    script = tmp_path / "repro.py"
    result = run("repro", DECODER, "--axes", "batch_size=2", "-o", script)
    assert result.status == 0, result.err
    assert result.out.splitlines()[-1].startswith(f"{script} shows no defect: agreement of")
    done = run_alone(script)
    assert done.returncode == 0, done.stderr
    assert "present.1.value: max_abs_diff" in done.stdout


@pytest.mark.gate_cases(1)
@pytest.mark.parametrize(
    ("cell", "options", "shown"),
    [
        ("gpt2/text-classification/opset10/torchscript", (), "shows checker"),
        ("bert/fill-mask/opset9/torchscript", ("--requirement", "export"), "shows export"),
        pytest.param(
            "llama/text-generation/opset17/dynamo",
            ("--requirement", "opset"),
            "shows opset",
            marks=pytest.mark.full,
        ),
        pytest.param(
            ROTARY,
            ("--requirement", "padding", "--axes", "batch_size=2"),
            "shows padding",
            marks=pytest.mark.full,
        ),
        (
            "t5/text2text-generation/opset11/torchscript",
            ("--axes", "batch_size=2"),
            "in encoder_model",
        ),
        ("gpt2/text-generation/opset18/dynamo", ("--exporter", "torchscript"), "no defect"),
    ],
)
def test_what_fails_is_what_shows(
    run: Any, tmp_path: Path, cell: str, options: tuple[str, ...], shown: str
) -> None:
    result = run("repro", cell, *options, "-o", tmp_path / "repro.py")
    assert result.status == 0, result.err
    assert shown in result.out.splitlines()[-1]


@pytest.mark.full
@pytest.mark.parametrize("part", ["encoder_model", "decoder_model", "decoder_with_past_model"])
def test_each_part_has_a_script(run: Any, tmp_path: Path, part: str) -> None:
    options = ("--axes", "batch_size=2", "--requirement", "agreement", "--part", part)
    result = run("repro", PARTS, *options, "-o", tmp_path / "repro.py")
    assert result.status == 0, result.err
    assert result.out.splitlines()[-1].endswith(
        f"shows no defect: agreement of {PARTS} in {part} holds"
    )


@pytest.mark.full
def test_the_worst_part_shows_what_all_of_them_do_not(run_process: Any, tmp_path: Path) -> None:
    (tmp_path / "strict.py").write_text(
        "from harness import T5OnnxConfig\nT5OnnxConfig.ATOL_FOR_VALIDATION = 1e-12\n"
    )
    options = ("--requirement", "agreement", "--axes", "batch_size=2", "--config-module", "strict")
    result = run_process("repro", PARTS, *options, "-o", "repro.py")
    assert result.status == 0, result.err
    assert f"repro.py shows agreement of {PARTS} in " in result.out
    assert "ATOL = 1e-12" in (tmp_path / "repro.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["bert/fill-mask/opset9/dynamo"], "dynamo does not honour opset 9"),
        ([DECODER, "--part", "decoder_model"], "part 'decoder_model' is not one of"),
        ([DECODER, "--requirement", "interface"], "is about the files themselves"),
        ([DECODER, "--requirement", "nonsense"], "requirement 'nonsense' is not known"),
        ([DECODER, "--exporter", "nonsense"], "exporter 'nonsense' is not known"),
        ([DECODER, "--axes", "length=3"], "length"),
        (["nonsense"], "cell id 'nonsense'"),
        (["bert/nonsense/opset18/dynamo"], "task 'nonsense' is not registered"),
    ],
)
def test_what_no_script_shows_is_refused_and_nothing_is_written(
    run: Any, tmp_path: Path, words: list[str], part: str
) -> None:
    run("repro", *words, "-o", tmp_path / "repro.py").assert_refused(part)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.full
@pytest.mark.parametrize(
    ("cell", "options"),
    [
        ("bart/text-classification/opset18/torchscript", ()),
        ("llava/image-text-to-text/opset18/torchscript", ("--part", "vision_encoder")),
        ("phi3~longrope/text-generation/opset18/torchscript", ()),
    ],
)
def test_what_changes_the_model_for_the_export_is_in_the_script(
    run: Any, tmp_path: Path, cell: str, options: tuple[str, ...]
) -> None:
    script = tmp_path / "repro.py"
    options = (*options, "--requirement", "agreement", "--axes", "batch_size=2")
    result = run("repro", cell, *options, "-o", script)
    assert result.status == 0, result.err
    assert "no defect: agreement" in result.out
    assert "CHANGES = [" in script.read_text(encoding="utf-8")
    done = run_alone(script)
    assert done.returncode == 0, done.stderr


PATCHING = """
from harness import BertOnnxConfig
from harness.configs.architectures.llava import LlavaOnnxConfig
from harness.configs.image_text import ImageEncoderPart
import {package}
def patched(self, model):
    {package}.patch(model)
    return model
BertOnnxConfig.patch_model_for_export = patched
class Part(ImageEncoderPart):
    patch_model_for_export = patched
LlavaOnnxConfig.VISION_PART_CLASS = Part
"""


@pytest.mark.full
@pytest.mark.parametrize(
    ("cell", "part"),
    [
        ("bert/fill-mask/opset18/torchscript", "use replay to show the cell"),
        (
            "llava/image-text-to-text/opset18/torchscript",
            "or --part with one of embed_tokens, decoder_model",
        ),
    ],
)
def test_a_patch_that_needs_another_package_is_refused(
    run_process: Any, tmp_path: Path, cell: str, part: str
) -> None:
    (tmp_path / "mine.py").write_text(PATCHING.format(package="hypothesis"))
    result = run_process("repro", cell, "-o", "x.py", "--config-module", "mine")
    result.assert_refused("patch_model_for_export: it imports hypothesis")
    assert part in result.err
    assert not (tmp_path / "x.py").exists()


def test_an_exporter_of_others_has_no_script(run_process: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from harness import register_exporter\n"
        "from harness.exporters.torchscript import TorchScriptExporter\n"
        "class Mine(TorchScriptExporter):\n    name = 'mine'\n"
        "register_exporter(Mine())\n"
    )
    cell = "bert/fill-mask/opset18/mine"
    run_process("repro", cell, "-o", "x.py", "--config-module", "mine").assert_refused(
        "exporter 'mine' has no script"
    )
    assert not (tmp_path / "x.py").exists()


def test_a_file_that_cannot_be_written_is_one_line(run: Any, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    run("repro", DECODER, "-o", tmp_path / "taken" / "repro.py").assert_refused("taken")
