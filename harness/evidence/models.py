"""The models under test: tiny ones from `fixtures/models`, and loaded ones."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.configs.task_table import base_task
from harness.configs.tasks import TasksManager, require_described
from harness.errors import UsageError, one_line
from harness.evidence.fixtures import TinyModel, read_fixture
from harness.evidence.hub import fetch_file
from harness.evidence.memory import out_of_memory
from harness.evidence.model_folders import (
    CONFIG,
    explain_configuration,
    explain_without_configuration,
    require_checkpoint,
    transformer_folder,
)

if TYPE_CHECKING:
    import torch
    from torch import nn

    from harness.configs.base import OnnxConfig


def tiny_model(architecture: str, task: str, variant: str = "") -> nn.Module:
    """Build the tiny model of an architecture for a task, in eval mode and float32.

    The fixture's perturbation redraws the weights, so that outputs depend on all inputs: with the
    default initialisation, a mask has almost no effect. Equal fixtures give equal weights.
    """
    return make_perturbed(
        tiny_settings(architecture, task, variant),
        task,
        read_tiny(architecture, variant)["perturbation"],
    )


def make_perturbed(
    settings: Mapping[str, Any], task: str, perturbation: Mapping[str, Any]
) -> nn.Module:
    """Build the model of settings with a `model_type`, and redraw its weights with `perturb`.

    It is in eval mode. Raises UsageError if no class of the task has the model type.
    """
    import torch
    from transformers import AutoConfig

    values = dict(settings)
    architecture = values.pop("model_type")
    config = AutoConfig.for_model(architecture, **values)
    state = torch.random.get_rng_state()
    try:
        model = TasksManager.make_model(task, config)
    except ValueError as error:
        raise UsageError(
            f"{architecture}: no model class for {base_task(task)} ({error})"
        ) from error
    finally:
        torch.random.set_rng_state(state)
    perturb(model, **perturbation)
    tiny: nn.Module = model.eval()
    return tiny


def tiny_settings(architecture: str, task: str, variant: str = "") -> dict[str, Any]:
    """Return the settings of a tiny model's configuration, `model_type` included."""
    fixture = read_tiny(architecture, variant)
    return {**fixture["config"], **fixture.get("tasks", {}).get(base_task(task), {})}


def read_tiny(architecture: str, variant: str = "") -> dict[str, Any]:
    """Return the fixture of a tiny model; raises UsageError if it is missing or invalid.

    `config` holds the settings of its configuration, `tasks` the settings that a task overrides,
    `perturbation` how its weights are redrawn. Weights of `external_data_threshold` bytes and more
    are stored as external data. Keys of a variant's file override the architecture's keys;
    `only_tasks` lists the tasks of a variant.
    """
    return read_fixture(TinyModel(architecture, variant))


def perturb(
    model: nn.Module,
    *,
    seed: int,
    matrix_std: float,
    vector_std: float,
    kernel_gain: float = 0.0,
    buffers: Sequence[str] = (),
) -> None:
    """Redraw all weights: matrices and biases around 0, normalisation weights around 1.

    With a `kernel_gain`, the deviation of a convolution's kernel is this gain over the root of the
    number of values that it sums, so that values neither vanish nor grow over many convolutions.

    `buffers` are globs of buffer names. They select buffers that training changes, such as a bias
    that balances experts; noise is added to their values.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            centre = 1.0 if _is_norm_weight(name, parameter) else 0.0
            std = matrix_std if parameter.ndim > 1 else vector_std
            if kernel_gain and _is_kernel(model, name):
                std = kernel_gain * parameter[0].numel() ** -0.5
            parameter.copy_(centre + noise * std)
        for name, buffer in sorted(model.named_buffers()):
            if any(fnmatch.fnmatchcase(name, glob) for glob in buffers):
                buffer.add_(torch.randn(buffer.shape, generator=generator) * vector_std)


def _is_kernel(model: nn.Module, name: str) -> bool:
    from torch import nn

    owner, _, attribute = name.rpartition(".")
    is_convolution = isinstance(model.get_submodule(owner), (nn.Conv1d, nn.Conv2d, nn.Conv3d))
    return is_convolution and attribute == "weight"


def _is_norm_weight(name: str, parameter: torch.Tensor) -> bool:
    return parameter.ndim == 1 and name.endswith(".weight")


def load_model(task: str, name_or_path: str | Path, *, trust_remote_code: bool = False) -> Any:
    """Load a model from a directory or a hub id, in eval mode and float32.

    Raises UsageError if a folder is something else than a checkpoint of transformers, if its model
    type is unknown or not registered for the task, or if its weights are missing or unreadable.
    """
    import torch
    from transformers.utils import logging

    architecture = read_model_type(name_or_path, trust_remote_code=trust_remote_code)
    folder = Path(name_or_path)
    source = transformer_folder(folder) if folder.is_dir() else name_or_path
    TasksManager.get_exporter_config_constructor("onnx", model_type=architecture, task=task)
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        return TasksManager.get_model_from_task(
            task, source, trust_remote_code=trust_remote_code, dtype=torch.float32
        )
    except UsageError:
        raise
    except Exception as error:  # on a broken file: safetensors and pickle raise many kinds
        why = out_of_memory(error) or f"weights are unreadable: {one_line(error)}"
        raise UsageError(f"model {str(name_or_path)!r}: {why}") from error
    finally:
        logging.set_verbosity(verbosity)


def read_description(
    task: str, name_or_path: str | Path, *, trust_remote_code: bool = False
) -> OnnxConfig:
    """Return the description of a model for a task, from its configuration without its weights.

    Raises UsageError if that cannot be read, or if the model type is not registered for the task.
    """
    from transformers import AutoConfig

    architecture = read_model_type(name_or_path, trust_remote_code=trust_remote_code)
    constructor = TasksManager.get_exporter_config_constructor(
        "onnx", model_type=architecture, task=task
    )
    folder = Path(name_or_path)
    source = transformer_folder(folder) if folder.is_dir() else name_or_path
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=trust_remote_code)
    except Exception as error:  # a wrong setting raises errors of many kinds
        problem = f"its configuration cannot be read: {one_line(error)}"
        raise UsageError(f"model {str(name_or_path)!r}: {problem}") from error
    return constructor(config)


def read_model_type(name_or_path: str | Path, *, trust_remote_code: bool = False) -> str:
    """Return the registered `model_type` in a model's config.json.

    Raises UsageError if it cannot be read or is not registered, or if a folder is something else
    than a checkpoint.
    """
    directory = Path(name_or_path)
    if directory.is_dir():
        require_checkpoint(directory)
        return _read_local_model_type(transformer_folder(directory))
    if directory.exists() or str(name_or_path).startswith((".", "/", "~")):
        raise UsageError(
            f"model {str(name_or_path)!r} is not a folder; give a model folder or a hub id"
        )
    return _read_hub_model_type(str(name_or_path), trust_remote_code=trust_remote_code)


def _read_hub_model_type(hub_id: str, *, trust_remote_code: bool) -> str:
    from transformers import AutoConfig, PreTrainedConfig

    subject = f"model {hub_id!r}"
    try:
        content, _ = PreTrainedConfig.get_config_dict(hub_id)
        if problem := explain_configuration(content):
            raise UsageError(f"{subject} {problem}")
        if "model_type" in content:
            require_described(content["model_type"], subject=subject)
        config = AutoConfig.from_pretrained(hub_id, trust_remote_code=trust_remote_code)
    except (OSError, ValueError) as error:
        problem = explain_without_configuration(partial(fetch_file, hub_id))
        problem = problem or f"cannot be loaded: {one_line(error)}"
        raise UsageError(f"{subject} {problem}") from error
    return str(config.model_type)


def _read_local_model_type(directory: Path) -> str:
    path = directory / CONFIG
    if not path.is_file():
        raise UsageError(f"model folder {directory} has no config.json; give a saved model")
    try:
        model_type = str(json.loads(path.read_text(encoding="utf-8"))["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path}: no model_type can be read ({error!r}); give a saved model"
        ) from error
    require_described(model_type, subject=str(path))
    return model_type
