"""The classes of modules that a model has, and that a smaller model of its kind may lack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.configs.tasks import TasksManager
from harness.inference.configuration.plans import Plan
from harness.inference.configuration.shrinking import shrink


def classes_of_default(model_type: str, task: str) -> frozenset[str]:
    """Return the module classes of the default configuration's model, built without memory.

    None if it does not build: some defaults are only a part of a configuration.
    """
    return _classes(model_type, task, {})


def classes_of_all_kinds(model_type: str, task: str) -> frozenset[str]:
    """Return the module classes of a model with all kinds of layers that the source names.

    The default configuration may have no layer of a kind. None if such a model does not build.
    """
    from transformers import AutoConfig

    try:
        settings = shrink(AutoConfig.for_model(model_type), Plan(adds_kinds=True))
    except Exception:  # configurations without a default raise many kinds
        return frozenset()
    return _classes(model_type, task, settings)


def _classes(model_type: str, task: str, settings: dict[str, Any]) -> frozenset[str]:
    from transformers import AutoConfig

    try:
        return module_classes(build_on_meta(task, AutoConfig.for_model(model_type, **settings)))
    except Exception:  # models refuse configurations with many kinds of errors
        return frozenset()


def build_on_meta(task: str, config: Any) -> Any:
    """Return a model whose weights have shapes only."""
    import torch
    from transformers.initialization import no_init_weights

    with torch.device("meta"), no_init_weights():
        return TasksManager.make_model(task, config)


def module_classes(model: Any) -> frozenset[str]:
    """Return the names of the classes of all modules of a model."""
    return frozenset(_class_names(model))


def _class_names(model: Any) -> Iterator[str]:
    for module in model.modules():
        yield type(module).__name__
