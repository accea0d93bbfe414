"""`replay`: judges one example of a cell again."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

CELL = "bert/fill-mask/opset18/torchscript"


def test_one_example_is_rerun(run: Any) -> None:
    axes = "batch_size=1,sequence_length=17"
    result = run("replay", CELL, "--axes", axes, "--seed", 7, "--json")
    report = result.json("check")
    assert (result.status, report["cell"]) == (0, CELL)
    (agreement,) = (r for r in report["requirements"] if r["id"] == "agreement")
    assert agreement["examples"] == 1
    assert agreement["worst"]["axes"] == {"batch_size": 1, "sequence_length": 17}
    assert agreement["worst"]["seed"] == 7


def test_a_variant_is_rerun_under_its_own_name(run: Any) -> None:
    cell = "gpt2~external-data/text-generation-with-past/opset18/torchscript"
    result = run("replay", cell, "--axes", "batch_size=2", "--json")
    report = result.json("check")
    assert (result.status, report["cell"], report["conforms"]) == (0, cell, True)


def test_one_requirement_is_rerun(run: Any) -> None:
    result = run("replay", CELL, "--axes", "batch_size=2", "--requirement", "agreement")
    assert result.status == 0
    assert "✓  agreement" in result.out
    assert result.out.splitlines()[-1] == f"conforms: {CELL}"


def test_the_command_that_a_failure_prints_fails_again(run_process: Any, tmp_path: Path) -> None:
    (tmp_path / "strict.py").write_text(
        "from harness import BertOnnxConfig\nBertOnnxConfig.ATOL_FOR_VALIDATION = 1e-12\n"
    )
    sizes = ("--axes", "batch_size=2,sequence_length=3")
    named = ("--requirement", "agreement", "--config-module", "strict")
    first = run_process("replay", CELL, *sizes, *named)
    printed = re.search(r"python -m harness (replay .* --axes .*)", first.out)
    assert printed is not None, first.out
    again = run_process(*shlex.split(printed[1]), "--json")
    report = again.json("check")
    assert (first.status, again.status, report["conforms"]) == (1, 1, False)
    (agreement,) = report["requirements"]
    assert (agreement["outcome"], agreement["examples"]) == ("failed", 1)
