"""Where architectures are registered: architecture x task -> description, task -> model class."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from harness.configs import architectures
from harness.configs.base import OnnxConfig
from harness.configs.left_out import explain_unregistered
from harness.configs.plugins import load_entry_points
from harness.configs.task_table import TASKS, base_task, map_from_synonym
from harness.configs.transformers_mappings import class_of_task, classes_by_task, model_types
from harness.errors import DescriptionError, UsageError, one_line, suggest

ConfigClass = TypeVar("ConfigClass", bound=type[OnnxConfig])


@dataclass(frozen=True, slots=True)
class ConfigConstructor:
    """Makes the description for a task; the class may be given by its name.

    A class that is defined elsewhere takes precedence over one of this package with that name.
    """

    config_class: type[OnnxConfig] | str
    task: str

    def resolve(self) -> type[OnnxConfig]:
        """The class itself; raises DescriptionError for a name without exactly one."""
        if not isinstance(self.config_class, str):
            return self.config_class
        named = [c for c in _subclasses(OnnxConfig) if c.__name__ == self.config_class]
        # The last definition counts, as where a cell of a notebook is run again.
        latest = {(c.__module__, c.__qualname__): c for c in named}.values()
        found = [c for c in latest if not _is_own(c)] or list(latest)
        if len(found) == 1:
            return found[0]
        if found:
            modules = ", ".join(sorted(c.__module__ for c in found))
            raise DescriptionError(f"config class {self.config_class!r} is ambiguous: {modules}")
        hint = suggest(self.config_class, (c.__name__ for c in _subclasses(OnnxConfig)))
        raise DescriptionError(f"config class {self.config_class!r} is not defined; {hint}")

    def __call__(self, config: Any) -> OnnxConfig:
        return self.resolve()(config, task=self.task)


TaskConstructors = dict[str, ConfigConstructor]


def supported_tasks_mapping(
    *tasks: str, **exporters: type[OnnxConfig] | str
) -> dict[str, TaskConstructors]:
    """The entry of one architecture: exporter backend -> {task: constructor}."""
    names = [map_from_synonym(task) for task in tasks]
    return {
        backend: {task: ConfigConstructor(config_class, task) for task in names}
        for backend, config_class in exporters.items()
    }


def register(architecture: str, *, tasks: Iterable[str]) -> Callable[[ConfigClass], ConfigClass]:
    """Class decorator that registers a description for `tasks` of `architecture`.

    An architecture whose tasks differ in kind has a class for each kind. A task that is registered
    again is replaced, so that a package can override ours.
    """

    def decorate(config_class: ConfigClass) -> ConfigClass:
        if not _is_own(config_class):
            load_architectures()
        registered = TasksManager._SUPPORTED_MODEL_TYPE.get(architecture, {})
        added = supported_tasks_mapping(*tasks, onnx=config_class)
        tasks_of = {**registered.get("onnx", {}), **added["onnx"]}
        TasksManager._SUPPORTED_MODEL_TYPE.update({architecture: {**registered, "onnx": tasks_of}})
        return config_class

    return decorate


class _Registry(dict[str, dict[str, TaskConstructors]]):
    """Architecture -> exporter backend -> {task: constructor}.

    Our architectures are loaded before an entry is assigned. Else they would replace it later.
    """

    def __setitem__(self, architecture: str, entry: dict[str, TaskConstructors]) -> None:
        load_architectures()
        super().__setitem__(architecture, entry)


class TasksManager:
    """Looks up descriptions and model classes; `_SUPPORTED_MODEL_TYPE` is the registry."""

    _SUPPORTED_MODEL_TYPE: ClassVar[dict[str, dict[str, TaskConstructors]]] = _Registry()

    @classmethod
    def architectures(cls) -> list[str]:
        """Registered architectures, sorted."""
        load_architectures()
        return sorted(a for a, entry in cls._SUPPORTED_MODEL_TYPE.items() if "onnx" in entry)

    @classmethod
    def get_all_tasks(cls) -> list[str]:
        """Every known task, sorted, `-with-past` ones where an architecture has them."""
        tasks = {t for a in cls.architectures() for t in cls._SUPPORTED_MODEL_TYPE[a]["onnx"]}
        return sorted(tasks | set(TASKS))

    @staticmethod
    def map_from_synonym(task: str) -> str:
        """The task's own name."""
        return map_from_synonym(task)

    @classmethod
    def get_supported_tasks_for_model_type(
        cls, model_type: str, exporter: str = "onnx"
    ) -> TaskConstructors:
        """{task: constructor} of one architecture; raises UsageError where it is not registered."""
        load_architectures()
        entry = cls._SUPPORTED_MODEL_TYPE.get(model_type)
        if entry is None:
            raise UsageError(_explain_typed_name(model_type, cls._SUPPORTED_MODEL_TYPE))
        if exporter not in entry:
            raise UsageError(f"backend {exporter!r}: {model_type} has {', '.join(sorted(entry))}")
        return dict(sorted(entry[exporter].items()))

    @classmethod
    def get_exporter_config_constructor(
        cls,
        exporter: str,
        model: Any = None,
        task: str = "feature-extraction",
        model_type: str | None = None,
    ) -> ConfigConstructor:
        """The constructor for a model (or a configuration, or a model type) and a task.

        Raises UsageError for an architecture or a task that is not registered.
        """
        if model_type is None:
            model_type = str(getattr(model, "config", model).model_type)
            require_described(model_type)
        supported = cls.get_supported_tasks_for_model_type(model_type, exporter)
        name = map_from_synonym(task)
        if name not in supported:
            raise UsageError(
                f"task {task!r} is not registered for {model_type}; {suggest(name, supported)}"
            )
        return supported[name]

    @staticmethod
    def get_model_class_for_task(task: str, model_type: str | None = None) -> Any:
        """Return transformers' class of a task.

        It is the Auto class that has this model type, or else the first. It is a class of models
        if a description of the model type names one, or if the task has no Auto class. Raises
        UsageError if the task is unknown, or has no class for the model type.
        """
        name = base_task(map_from_synonym(task))
        if name not in TASKS:
            raise UsageError(f"task {task!r} is not known; {suggest(name, TASKS)}")
        import transformers

        chosen = stated_model_class(name, model_type or "") or class_of_task(name, model_type or "")
        if chosen is None:
            raise UsageError(
                f"task {task!r}: transformers has no Auto class for it, and no class for the model "
                f"type {model_type!r}; name the class in MODEL_CLASSES of a description"
            )
        return getattr(transformers, chosen)

    @classmethod
    def make_model(cls, task: str, config: Any) -> Any:
        """Return a new model for a task, with random weights, from a configuration.

        If transformers has several classes for the model type, the first is taken, unless the
        configuration names its class in `architectures`. Raises UsageError if the task is unknown,
        ValueError if the Auto class lacks the model type.
        """
        _name_architecture(config, base_task(map_from_synonym(task)))
        model_class = cls.get_model_class_for_task(task, config.model_type)
        return getattr(model_class, "from_config", model_class)(config)

    @classmethod
    def get_model_from_task(cls, task: str, model_name_or_path: str | Path, **kwargs: Any) -> Any:
        """Load a model for a task from a directory or a hub id, in eval mode.

        `kwargs` go to `from_pretrained`; code of the model's repository runs only with
        `trust_remote_code=True`. Raises UsageError where there is no such model, or it lacks
        weights that the task needs: transformers would draw those at random.
        """
        model_type = _model_type(model_name_or_path, kwargs)
        model_class = cls.get_model_class_for_task(task, model_type)
        subject = f"model {str(model_name_or_path)!r}"
        try:
            model, loading = model_class.from_pretrained(
                str(model_name_or_path), output_loading_info=True, **kwargs
            )
        except (OSError, ValueError, KeyError) as error:
            raise UsageError(f"{subject} cannot be loaded: {one_line(error)}") from error
        missing = sorted(loading["missing_keys"])
        if missing:
            raise UsageError(
                f"{subject} lacks {len(missing)} weights that {task} needs, such as {missing[0]}; "
                "choose the task that it was saved for"
            )
        return model.eval()


def _name_architecture(config: Any, task: str) -> None:
    """Name the first of several classes in a configuration: an Auto class chooses by that name."""
    classes = classes_by_task().get(task, {}).get(config.model_type, ())
    if len(classes) > 1 and not config.architectures:
        config.architectures = [classes[0]]


def stated_model_class(task: str, model_type: str) -> str | None:
    """Return the model class that a description of `model_type` names; None if none does."""
    load_architectures()
    registered = TasksManager._SUPPORTED_MODEL_TYPE.get(model_type, {}).get("onnx", {})
    own = (one for name, one in registered.items() if base_task(name) == task)
    return next((one.resolve().MODEL_CLASSES.get(task) for one in own), None)


def _model_type(model_name_or_path: str | Path, options: Mapping[str, Any]) -> str | None:
    """Return the model type of a checkpoint; None if its configuration cannot be read."""
    from transformers import AutoConfig

    known = {n: options[n] for n in ("trust_remote_code", "revision", "token") if n in options}
    try:
        return str(AutoConfig.from_pretrained(str(model_name_or_path), **known).model_type)
    except (OSError, ValueError, KeyError):
        return None  # loading the model says why


def require_described(model_type: str, *, subject: str = "") -> None:
    """Raise UsageError, with the reason, for an unregistered model type that a configuration holds.

    `subject` names the configuration.
    """
    if model_type not in TasksManager.architectures():
        raise UsageError(f"{subject and f'{subject}: '}{explain_unregistered(model_type)}")


def _explain_typed_name(architecture: str, registered: Iterable[str]) -> str:
    """Return the message for a name that a user typed: similar names, or why it is left out."""
    if architecture in model_types():
        return explain_unregistered(architecture)
    return f"architecture {architecture!r} is not registered; {suggest(architecture, registered)}"


def _is_own(config_class: type[OnnxConfig]) -> bool:
    return config_class.__module__.startswith("harness.configs.")


def _subclasses(root: type[Any]) -> Iterator[type[OnnxConfig]]:
    for child in root.__subclasses__():
        yield child
        yield from _subclasses(child)


_loaded: set[str] = set()


def load_architectures() -> None:
    """Import our architectures, then those of installed packages; once per process."""
    if _loaded:
        return
    _loaded.add("architectures")
    for module in sorted(m.name for m in pkgutil.iter_modules(architectures.__path__)):
        importlib.import_module(f"{architectures.__name__}.{module}")
    load_entry_points()
