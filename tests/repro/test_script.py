"""The text of a script is complete, reproducible and uses no undefined name."""

from __future__ import annotations

import ast
import builtins
import sys
from typing import Any

import numpy as np
import pytest
from transformers import PatchTSTForPrediction

from harness.records import CellId
from harness.repro.script import EXPORTS, script_text
from harness.requirements import requirement_ids
from tests.repro.script_cases import cases

KINDS = (
    ("bert", "fill-mask"),
    ("gpt2", "text-generation-with-past"),
    ("t5", "text2text-generation-with-past"),
    ("vit", "image-classification"),
    ("lfm2", "text-generation-with-past"),
    ("mamba", "text-generation"),
    ("qwen2_vl", "image-text-to-text-with-past"),
    ("xlm", "fill-mask"),
    ("t5gemma", "text2text-generation-with-past"),
)


def unknown_names(text: str) -> set[str]:
    """Return the names that the text reads and does not define."""
    nodes = list(ast.walk(ast.parse(text)))
    bound = {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    bound |= {n.arg for n in nodes if isinstance(n, ast.arg)}
    bound |= {n.name for n in nodes if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    bound |= {n.name for n in nodes if isinstance(n, ast.ExceptHandler) and n.name}
    imports = [n for n in nodes if isinstance(n, (ast.Import, ast.ImportFrom))]
    bound |= {alias.asname or alias.name for n in imports for alias in n.names}
    read = {n.id for n in nodes if isinstance(n, ast.Name)}
    return read - bound - set(dir(builtins)) - {"__name__"}


def imported(text: str) -> set[str]:
    """Return the top-level packages that the text imports anywhere."""
    nodes = list(ast.walk(ast.parse(text)))
    modules = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    modules |= {n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)}
    return {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize("exporter", EXPORTS)
@pytest.mark.parametrize("requirement", requirement_ids())
@pytest.mark.parametrize(
    "subject",
    [pytest.param(k, marks=pytest.mark.full if k in KINDS[2:5] + KINDS[6:] else ()) for k in KINDS],
    ids="/".join,
)
def test_a_script_has_every_name_that_it_reads(
    subject: tuple[str, str], requirement: str, exporter: str
) -> None:
    cell = CellId.parse(f"{'/'.join(subject)}/opset18/{exporter}")
    for case in cases(*subject, requirement=requirement, cell=cell):
        text = script_text(case)
        assert unknown_names(text) == set()
        packages = {"numpy", "onnx", "onnxruntime", "torch", "transformers"}
        assert imported(text) - sys.stdlib_module_names <= packages


def test_a_script_has_nothing_that_it_does_not_need() -> None:
    (case,) = cases("bert", "fill-mask")
    text = script_text(case)
    assert "class PartExportWrapper" not in text
    assert "def pop_layers" not in text
    assert "def export_torchscript" not in text
    assert "import base64" not in text
    assert "CHANGES" not in text
    assert "from __future__" not in text


def test_a_script_makes_a_model_whose_class_is_no_auto_class() -> None:
    (case,) = cases("patchtst", "time-series-forecasting")
    names: dict[str, Any] = {"__name__": "script"}
    exec(script_text(case), names)  # noqa: S102 - what users run
    assert isinstance(names["make_model"](), PatchTSTForPrediction)


@pytest.mark.parametrize("past", [0, 2, 3, 4, 9])
def test_a_script_rebuilds_a_cache_that_keeps_its_window(past: int) -> None:
    """Eager and the exported module agree on each side of the window."""
    *_, case = cases("t5gemma", "text2text-generation-with-past")
    feed = case.config.generate_dummy_inputs(past_decoder_sequence_length=past)
    names: dict[str, Any] = {"__name__": "script"}
    exec(script_text(case.for_part(case.part, case.config, feed)), names)  # noqa: S102
    model = names["make_model"]()
    expected = names["run_eager_with_windows"](model, feed)
    got = names["ExportWrapperWithWindows"](model)(*feed.values())
    assert expected["present.0.decoder.key"].shape[2] == 3
    for (name, array), tensor in zip(expected.items(), got, strict=True):
        np.testing.assert_allclose(tensor.numpy(), array, atol=1e-4, err_msg=name)


def test_the_same_case_is_the_same_script() -> None:
    first, second = (script_text(next(cases("gpt2", "text-generation"))) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    "note", ['"""', "'''\\", "a\rimport os", "a\nb\n\nc", "x\x00y", "\u2028import os", "é" * 400]
)
def test_notes_are_always_comments(note: str) -> None:
    (case,) = cases("bert", "fill-mask", notes=(note,))
    (plain,) = cases("bert", "fill-mask")
    assert ast.dump(ast.parse(script_text(case))) == ast.dump(ast.parse(script_text(plain)))


def test_the_first_lines_say_what_it_is() -> None:
    case = next(cases("t5", "text2text-generation", notes=("values of logits: got 1, expected 0",)))
    lines = script_text(case).splitlines()
    assert lines[0] == "# t5/text2text-generation/opset18/dynamo, part encoder_model: agreement"
    assert "# values of logits: got 1, expected 0" in lines
    assert any("torch 2.0" in line for line in lines)
