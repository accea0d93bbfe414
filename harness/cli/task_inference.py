"""Infers the task for `export` without `--task`, from the class of the model."""

from __future__ import annotations

import json
from pathlib import Path

from harness.configs.tasks import TasksManager, stated_model_class
from harness.configs.transformers_mappings import tasks_of_class
from harness.errors import UsageError
from harness.evidence.model_folders import CONFIG, transformer_folder
from harness.evidence.models import read_model_type


def infer_task(model: str, *, trust_remote_code: bool = False) -> str:
    """Return the one registered task of the class that the model's configuration names.

    Raises UsageError if the class has no task or several, if the model cannot be read, or if its
    architecture is not registered.
    """
    architecture = read_model_type(model, trust_remote_code=trust_remote_code)
    registered = TasksManager.get_supported_tasks_for_model_type(architecture)
    class_name = _class_name(model, trust_remote_code=trust_remote_code)
    tasks = [task for task in tasks_of_class(class_name) if task in registered]
    tasks += [t for t in registered if stated_model_class(t, architecture) == class_name]
    if len(tasks) == 1:
        return tasks[0]
    raise UsageError(
        f"model {model!r}: {'several tasks follow' if tasks else 'no task follows'} from its class "
        f"{class_name or '(none given)'}; give --task, one of {', '.join(tasks or registered)}"
    )


def _class_name(model: str, *, trust_remote_code: bool) -> str:
    path = transformer_folder(Path(model)) / CONFIG
    if path.is_file():
        names = json.loads(path.read_text(encoding="utf-8")).get("architectures")
    else:
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(model, trust_remote_code=trust_remote_code)
        names = config.architectures
    return str(names[0]) if names else ""
