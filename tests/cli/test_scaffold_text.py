"""The source that `scaffold` writes has the tables that were found, and is formatted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.cli.scaffold_draft import Draft
from harness.cli.scaffold_text import module_text
from harness.configs.axis_space import AxisRange
from harness.configs.base import OnnxConfig
from harness.configs.routed_experts import RoutesExperts
from harness.configs.setting import Setting
from harness.configs.tabled import TabledOnnxConfig, TaskTable
from harness.configs.tabled_inputs import TabledInput, TabledPlaceholder
from harness.inference.description import FoundDescription
from tests.cli.small_checkout import ROOT

TEXT = ("batch_size", "sequence_length")
IMAGE = TabledPlaceholder("image", Setting("image_token_id"), 16)
SOUND = TabledPlaceholder(
    "audio", 8, Setting("audio_config.number_of_tokens_of_each_sound"), is_scattered=False
)
PIXELS = (
    "batch_size",
    Setting("vision_config.num_channels"),
    Setting("vision_config.image_height"),
    Setting("vision_config.image_width"),
)
TABLE = TaskTable(
    {
        "input_ids": TabledInput("ids", TEXT, Setting("text_config.vocab_size")),
        "pixel_values": TabledInput("floats", PIXELS),
        "image_grid_thw": TabledInput("grid", ("batch_size", 3), sides=("grid_height", 2)),
        "input_boxes": TabledInput("box-points", ("batch_size", 2, 4), 56),
    },
    {"logits": {0: "batch_size", 1: "sequence_length"}},
)


@pytest.mark.parametrize("bases", [(TabledOnnxConfig,), (RoutesExperts, TabledOnnxConfig)])
@pytest.mark.parametrize("placeholders", [(), (IMAGE,), (SOUND,), (IMAGE, SOUND)])
def test_a_module_has_the_tables_that_were_found(
    placeholders: tuple[TabledPlaceholder, ...],
    bases: tuple[type[OnnxConfig], ...],
    tmp_path: Path,
) -> None:
    table = TaskTable(TABLE.inputs, TABLE.outputs, placeholders)
    found = FoundDescription(
        task="image-text-to-text",
        table=table,
        ranges={"grid_height": AxisRange(2, 8, export=4, step=2)},
        ceilings={},
        vocabulary=Setting("text_config.vocab_size"),
        problems=(),
        bases=bases,
    )
    text = module_text(_draft(found), standalone=False)
    module = tmp_path / "internvl.py"
    module.write_text(text, encoding="utf-8")
    for check in (["check"], ["format", "--check"]):
        options = ["--config", str(ROOT / "pyproject.toml")]
        subprocess.run([sys.executable, "-m", "ruff", *check, *options, module], check=True)
    names: dict[str, Any] = {"__name__": "internvl"}
    exec(text, names)  # noqa: S102 - the text is what the test is about
    written = names["InternVLOnnxConfig"]
    assert {"image-text-to-text": table} == written.TABLES
    assert found.ranges == written.AXIS_RANGES
    assert written.__bases__ == bases


def _draft(found: FoundDescription) -> Draft:
    one: Any = SimpleNamespace(tables=found, like=None, tasks=(found.task,), notes=())
    return Draft(architecture="internvl", findings=[one])
