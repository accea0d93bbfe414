"""Architectures that are described by a row: their classes are as if they were written."""

from __future__ import annotations

import importlib
import inspect
import pickle
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaConfig

from harness import (
    DescriptionError,
    LlamaOnnxConfig,
    Row,
    TasksManager,
    register_rows,
)
from harness.configs import architectures
from harness.configs.rows import SUFFIX, class_with_content

TASKS = ("feature-extraction", "text-generation-with-past")
TABLE = """
from harness import LlamaOnnxConfig, Row, register_rows

register_rows(
    LlamaOnnxConfig,
    Row("first", "First", ("text-generation",), "another name"),
    Row("second", "Second", ("text-generation",), "another name"),
)


class ThirdOnnxConfig(FirstOnnxConfig):
    pass
"""


def _own_classes() -> Iterator[tuple[Any, type[Any]]]:
    """Yield each description that an architecture module has, with the module."""
    for found in pkgutil.iter_modules(architectures.__path__, f"{architectures.__name__}."):
        module = importlib.import_module(found.name)
        for value in vars(module).values():
            if inspect.isclass(value) and value.__module__ == found.name:
                yield module, value


def _pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - what was pickled here


def test_a_class_has_the_name_under_which_its_module_has_it() -> None:
    classes = list(_own_classes())
    assert len(classes) > 200
    for module, described in classes:
        assert getattr(module, described.__name__) is described
        assert _pickled(described) is described


def test_names_of_registered_classes_are_unique_and_documented() -> None:
    registered = {
        constructor.resolve()
        for architecture in TasksManager.architectures()
        for constructor in TasksManager.get_supported_tasks_for_model_type(architecture).values()
    }
    assert len({described.__name__ for described in registered}) == len(registered)
    assert [d for d in registered if not (d.__doc__ and d.__name__.endswith(SUFFIX))] == []


def test_a_row_makes_the_class_of_its_architecture() -> None:
    register_rows(LlamaOnnxConfig, Row("mine", "Mine", TASKS, "another name"))
    described = globals()["MineOnnxConfig"]
    assert set(TasksManager.get_supported_tasks_for_model_type("mine")) == set(TASKS)
    assert described.__bases__ == (LlamaOnnxConfig,)
    assert described.__doc__ == "mine, like LlamaOnnxConfig: another name."
    config = described(LlamaConfig(), task="text-generation-with-past")
    again = _pickled(config)
    assert (type(again), again.inputs) == (described, config.inputs)


def test_a_table_of_another_module_has_its_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "their_table.py").write_text(TABLE)
    monkeypatch.syspath_prepend(str(tmp_path))
    module: Any = importlib.import_module("their_table")
    assert module.FirstOnnxConfig.__module__ == "their_table"
    assert issubclass(module.ThirdOnnxConfig, module.FirstOnnxConfig)
    constructor = TasksManager.get_exporter_config_constructor(
        "onnx", model_type="second", task="text-generation"
    )
    assert constructor.resolve() is module.SecondOnnxConfig


@pytest.mark.parametrize(
    ("row", "part"),
    [
        (Row("mine", "my-model", TASKS, "another name"), "'my-modelOnnxConfig'"),
        (Row("mine", "Mine", TASKS, " "), "how its model differs"),
    ],
)
def test_a_row_that_makes_no_class_is_refused(row: Row, part: str) -> None:
    with pytest.raises(DescriptionError, match=part):
        register_rows(LlamaOnnxConfig, row)
    assert "mine" not in TasksManager.architectures()


def test_the_class_of_a_row_says_nothing_beside_the_class_of_its_table() -> None:
    row, table = (
        TasksManager.get_supported_tasks_for_model_type(name)["fill-mask"].resolve()
        for name in ("camembert", "roberta")
    )
    assert row is not table
    assert class_with_content(row) is table
    assert class_with_content(table) is table
