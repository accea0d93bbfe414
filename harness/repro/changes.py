"""What changes a model before its export, as source: its exporter, then its description."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from harness.configs.base import OnnxConfig
from harness.exporters import get_exporter
from harness.repro.copies import IMPORTED_PACKAGES, CopiedSource, UncopyableError
from harness.repro.definitions import reserved_names
from harness.repro.imports import ImportedName
from harness.repro.methods import CopiedMethods

_POSTPONED = ImportedName(module="__future__", name="annotations")


@dataclass(frozen=True, slots=True)
class ChangeSource:
    """Definitions of a script in order, of which the last one sets CHANGES; empty if none."""

    imports: frozenset[ImportedName] = frozenset()
    blocks: tuple[str, ...] = ()


def change_source(config: OnnxConfig, exporter: str | None = None) -> ChangeSource:
    """Return the source of what changes the exported model.

    That is the patch of a description, and before it the preparation of an exporter if `exporter`
    names one. Raises UncopyableError if a script cannot contain the code.
    """
    changes = list(_changes(config, exporter))
    if not changes:
        return ChangeSource()
    packages = {
        one.__module__.partition(".")[0]
        for subject, _, _ in changes
        for one in type(subject).__mro__
    }
    copies = CopiedSource(packages - sys.stdlib_module_names - IMPORTED_PACKAGES, OnnxConfig)
    copies.add_import(_POSTPONED)
    classes: dict[str, str] = {}
    lines: list[str] = []
    for subject, method, line in changes:
        copied = CopiedMethods(subject, copies)
        try:
            copied.add(method)
            _refuse_taken_names(copied, copies, classes)
        except UncopyableError as error:
            raise UncopyableError(f"{type(subject).__name__}.{method}: {error}") from error
        classes.update(zip(copied.names, copied.classes(), strict=True))
        lines.append(line.format(f"{copied.names[-1]}().{method}"))
    assigned = "\n".join(["CHANGES = [", *(f"    {line}," for line in lines), "]"])
    blocks = (*copies.definitions.values(), *classes.values(), assigned)
    return ChangeSource(frozenset(copies.imports.values()), blocks)


def is_patched(config: OnnxConfig) -> bool:
    """Whether a description patches the model for the export."""
    return type(config).patch_model_for_export is not OnnxConfig.patch_model_for_export


def _changes(config: OnnxConfig, exporter: str | None) -> Iterator[tuple[object, str, str]]:
    """Yield an object, its method that changes the model, and how a script calls that."""
    if exporter is not None:
        yield get_exporter(exporter), "prepare", "lambda model: {}(model, OPSET)"
    if is_patched(config):
        yield config, "patch_model_for_export", "{}"


def _refuse_taken_names(copied: CopiedMethods, copies: CopiedSource, taken: dict[str, str]) -> None:
    names = [*taken, *copied.names, *copies.definitions]
    twice = {name for name in names if names.count(name) > 1 or name in reserved_names()}
    if twice:
        raise UncopyableError(f"two definitions of the script have the name {min(twice)}")
