"""EXPORT: one module per exporter; each turns (model, config, opset) into an Artifact.

A module whose name has no leading underscore is the exporter of that name and binds `EXPORTER`.
Other packages add exporters with `register_exporter`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from harness.errors import UsageError, suggest

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.base import OnnxConfig


@dataclass(frozen=True, slots=True)
class Artifact:
    """Files of one export: file stem -> path, and file stem -> (input names, output names).

    `logged` holds the errors that the exporter logged and did not raise, by file stem.
    """

    parts: OrderedDict[str, Path]
    names: Mapping[str, tuple[list[str], list[str]]]
    logged: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Exporter(Protocol):
    """Converts a model to ONNX files at the requested opset, or refuses."""

    @property
    def name(self) -> str: ...

    @property
    def opsets(self) -> tuple[int, ...]:
        """Opsets that the exporter honours with the installed versions, ascending."""

    def export(self, model: nn.Module, config: OnnxConfig, opset: int, output: Path) -> Artifact:
        """Write `<part>.onnx` for every part of `config` into the folder `output`.

        Initializers of `config.external_data_threshold` bytes or more are stored in files next to
        it, under relative locations. `model` is unchanged afterwards. Raises UnsupportedOpsetError
        for an opset that is not honoured, ExporterError if no file could be made.
        """


AUTO = ("dynamo", "torchscript")
"""The exporters that `auto` chooses from, the preferred one first."""

_registered: dict[str, Exporter] = {}


def register_exporter(exporter: Exporter) -> Exporter:
    """Register an exporter under its name, replacing an earlier one of that name."""
    _registered[exporter.name] = exporter
    return exporter


def exporter_names() -> list[str]:
    """Return the names of all exporters, sorted, without importing the exporters."""
    own = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted({*_registered, *(name for name in own if not name.startswith("_"))})


def get_exporter(name: str) -> Exporter:
    """Return the exporter of this name. Raises UsageError if the name is unknown."""
    if name not in exporter_names():
        raise UsageError(f"exporter {name!r} is not known; {suggest(name, exporter_names())}")
    if name not in _registered:
        module = importlib.import_module(f"{__name__}.{name}")
        register_exporter(cast(Exporter, module.EXPORTER))
    return _registered[name]


def why_not_honoured(exporter: Exporter, opset: int) -> str | None:
    """Return the reason why an exporter does not honour this opset; None if it does."""
    if opset in exporter.opsets:
        return None
    return (
        f"exporter {exporter.name} does not honour opset {opset}: with the installed versions it "
        f"honours {_listed(exporter.opsets)}"
    )


def exporters_that_honour(opset: int) -> list[str]:
    """Return the names of the exporters that honour this opset. Probes all exporters."""
    return [name for name in exporter_names() if opset in get_exporter(name).opsets]


def require_honoured_opset(opset: int) -> None:
    """Raise UsageError, with the range of each exporter, if none honours this opset."""
    if any(opset in get_exporter(name).opsets for name in exporter_names()):
        return
    opsets = {name: get_exporter(name).opsets for name in exporter_names()}
    every = tuple(sorted({number for numbers in opsets.values() for number in numbers}))
    ranges = ", ".join(f"{name} {_listed(numbers)}" for name, numbers in opsets.items())
    raise UsageError(
        f"opset {opset}: no exporter honours it with the installed versions; choose from "
        f"{_listed(every)} ({ranges})"
    )


def _listed(opsets: tuple[int, ...]) -> str:
    """Return ascending opsets as text: a range if there is no gap, else each one."""
    is_range = bool(opsets) and opsets == tuple(range(opsets[0], opsets[-1] + 1))
    return f"{opsets[0]} to {opsets[-1]}" if is_range else ", ".join(map(str, opsets)) or "none"


def resolve_auto(opset: int) -> str:
    """Return the exporter for `auto`: `dynamo` if it honours the opset, else `torchscript`."""
    preferred, other = AUTO
    return preferred if opset in get_exporter(preferred).opsets else other
