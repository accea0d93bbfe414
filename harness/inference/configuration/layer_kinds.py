"""The kinds of layers that the source of a model names, also those no default layer has."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

LAYER_KINDS: Mapping[str, str] = {
    "layer_types": "ALLOWED_ATTN_LAYER_TYPES",
    "mlp_layer_types": "ALLOWED_MLP_LAYER_TYPES",
}
"""Settings with a kind for each layer -> transformers' constant of the values that it allows."""
_CONFIGURATION, _MODELING = "configuration_", "modeling_"


def layer_kinds_of_source(config: Any, setting: str) -> list[str]:
    """Return the kinds of layers that the modules of a configuration and of its model name.

    Kinds are the values of `setting` that transformers allows. A mapping from kinds to masks
    counts as naming them: many models can have such layers.
    """
    return _named(type(config).__module__, LAYER_KINDS[setting])


def modeling_module(config_module: str) -> ModuleType | None:
    """Return the module of the models of a configuration; None if no module has that name."""
    package, _, name = config_module.rpartition(".")
    try:
        return importlib.import_module(f"{package}.{name.replace(_CONFIGURATION, _MODELING)}")
    except ImportError:
        return None


@functools.cache
def _named(config_module: str, constant: str) -> list[str]:
    from transformers import configuration_utils

    allowed = set(getattr(configuration_utils, constant, ()))
    modules = (importlib.import_module(config_module), modeling_module(config_module))
    texts = [text for module in modules if module for text in _texts(module)]
    return [kind for kind in dict.fromkeys(texts) if kind in allowed]


def _texts(module: ModuleType) -> Iterator[str]:
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        match node:
            case ast.Constant(value=str(text)):
                yield text
