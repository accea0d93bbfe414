"""Registration in code, by config modules and by installed packages."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import (
    BertOnnxConfig,
    DescriptionError,
    OnnxConfig,
    TasksManager,
    UsageError,
    ViTOnnxConfig,
    register,
    supported_tasks_mapping,
)
from harness.configs import plugins
from harness.configs.config_modules import load_config_modules


def test_the_decorator_registers_under_task_synonyms() -> None:
    @register("mybert", tasks=["masked-lm"])
    class MyBertOnnxConfig(BertOnnxConfig):
        pass

    constructor = TasksManager.get_exporter_config_constructor(
        "onnx", model_type="mybert", task="fill-mask"
    )
    assert constructor.resolve() is MyBertOnnxConfig


@pytest.mark.parametrize("config_class", ["BertOnnxConfig", BertOnnxConfig])
def test_an_entry_takes_the_class_or_its_name(config_class: str | type[BertOnnxConfig]) -> None:
    TasksManager._SUPPORTED_MODEL_TYPE["mybert"] = supported_tasks_mapping(
        "feature-extraction", "fill-mask", onnx=config_class
    )
    supported = TasksManager.get_supported_tasks_for_model_type("mybert")
    assert list(supported) == ["feature-extraction", "fill-mask"]
    assert supported["fill-mask"].resolve() is BertOnnxConfig


def _describe_again(module: str) -> type[OnnxConfig]:
    """Return another class with the name of a registered one, as the module would define it."""
    return type("ViTOnnxConfig", (ViTOnnxConfig,), {"__module__": module})


def test_a_class_of_users_precedes_one_of_this_package_and_the_last_one_counts() -> None:
    entry = supported_tasks_mapping("image-classification", onnx="ViTOnnxConfig")
    TasksManager._SUPPORTED_MODEL_TYPE["vit"] = entry
    constructor = TasksManager.get_supported_tasks_for_model_type("vit")["image-classification"]
    kept = [_describe_again("notebook") for _ in range(2)]
    assert constructor.resolve() is kept[1]
    kept.append(_describe_again("another"))
    with pytest.raises(DescriptionError, match="ambiguous: another, notebook"):
        constructor.resolve()
    kept.clear()
    gc.collect()
    assert constructor.resolve() is ViTOnnxConfig


EARLY = """
from harness import TasksManager, TextEncoderOnnxConfig, register, supported_tasks_mapping

class Own(TextEncoderOnnxConfig):
    pass

{registration}
assert TasksManager.get_exporter_config_constructor("onnx", model_type="bert").resolve() is Own
"""


@pytest.mark.parametrize(
    "registration",
    [
        "register('bert', tasks=['default'])(Own)",
        "TasksManager._SUPPORTED_MODEL_TYPE['bert'] = supported_tasks_mapping('default', onnx=Own)",
    ],
)
def test_an_entry_that_is_made_before_ours_are_loaded_is_kept(registration: str) -> None:
    code = EARLY.format(registration=registration)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_error_for_an_unknown_class_name_suggests_the_nearest() -> None:
    TasksManager._SUPPORTED_MODEL_TYPE["mybert"] = supported_tasks_mapping(
        "fill-mask", onnx="BertOnnxConfg"
    )
    constructor = TasksManager.get_supported_tasks_for_model_type("mybert")["fill-mask"]
    with pytest.raises(DescriptionError, match="BertOnnxConfig"):
        constructor.resolve()


def test_a_config_module_that_cannot_be_imported_is_named() -> None:
    with pytest.raises(UsageError, match=r"config module 'no\.such' cannot be imported"):
        load_config_modules(["no.such"])


def test_a_fixtures_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        plugins.register_fixtures(tmp_path / "none")


CONFIG_MODULE = """
from harness import BertOnnxConfig, register

@register("fromoutside", tasks=["fill-mask"])
class OutsideOnnxConfig(BertOnnxConfig):
    pass
"""

LIST = "from harness import TasksManager; print('fromoutside' in TasksManager.architectures())"


def test_an_installed_package_is_found_by_its_entry_point(tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text(CONFIG_MODULE)
    info = tmp_path / "outside-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[onnx_conformance.configs]\noutside = outside\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    found = subprocess.run(
        [sys.executable, "-c", LIST], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "True", found.stderr


def test_a_broken_entry_point_is_named(tmp_path: Path) -> None:
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[onnx_conformance.configs]\nbroken = not_there\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    found = subprocess.run(
        [sys.executable, "-m", "harness", "list", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 2
    assert "entry point 'broken'" in found.stderr
    assert "Traceback" not in found.stderr
