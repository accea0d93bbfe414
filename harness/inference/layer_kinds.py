"""The kinds of layers that the source of a model names, also those no default layer has."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

LAYER_KINDS = "layer_types"
_CONFIGURATION, _MODELING = "configuration_", "modeling_"


def layer_kinds_of_source(config: Any) -> list[str]:
    """Return the kinds of layers that the modules of a configuration and of its model name.

    Kinds are the values of `layer_types` that transformers allows. A mapping from kinds to masks
    counts as naming them: many models can have such layers.
    """
    return _named(type(config).__module__)


def modeling_module(config_module: str) -> ModuleType | None:
    """Return the module of the models of a configuration; None if no module has that name."""
    package, _, name = config_module.rpartition(".")
    try:
        return importlib.import_module(f"{package}.{name.replace(_CONFIGURATION, _MODELING)}")
    except ImportError:
        return None


@functools.cache
def _named(config_module: str) -> list[str]:
    from transformers import configuration_utils

    allowed = set(getattr(configuration_utils, "ALLOWED_LAYER_TYPES", ()))
    modules = (importlib.import_module(config_module), modeling_module(config_module))
    texts = [text for module in modules if module for text in _texts(module)]
    return [kind for kind in dict.fromkeys(texts) if kind in allowed]


def _texts(module: ModuleType) -> Iterator[str]:
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        match node:
            case ast.Constant(value=str(text)):
                yield text
