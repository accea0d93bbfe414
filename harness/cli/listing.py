"""`list`: the registered architectures, and the unregistered ones of transformers.

It has to be fast, so it does not import torch, and for JSON it does not import rich.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TextIO

import typer

from harness.cli.common import Architectures, AsJson, ConfigModules, Tasks, load_descriptions
from harness.cli.output import clean_stdout, write_json

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Listed:
    """An architecture, with the tasks that it is registered for, or the tasks it is not."""

    library: str
    architecture: str
    tasks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """The content of `list`. Every exporter applies to every registered architecture."""

    registered: tuple[Listed, ...]
    not_registered: tuple[Listed, ...]
    exporters: tuple[str, ...]

    def select(self, architecture: str | None, task: str | None) -> Listing:
        """Return the rows and tasks that match comma-separated globs.

        Raises UsageError if a glob matches no architecture or task at all.
        """
        from harness.matrix.names import select

        rows = self.registered + self.not_registered
        architectures = select(
            architecture,
            sorted({row.architecture for row in rows}),
            subject="--architecture",
        )
        tasks = select(
            _resolve_synonyms(task),
            sorted({name for row in rows for name in row.tasks}),
            subject="--task",
        )
        return replace(
            self,
            registered=_narrow(self.registered, architectures, tasks),
            not_registered=_narrow(self.not_registered, architectures, tasks),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the form that `list --json` prints; its schema is `schemas/list.schema.json`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "architectures": [
                {**asdict(row), "exporters": self.exporters} for row in self.registered
            ],
            "not_registered": [asdict(row) for row in self.not_registered],
        }


def list_architectures(
    *,
    architecture: Architectures = None,
    task: Tasks = None,
    json: AsJson = False,
    config_module: ConfigModules = None,
) -> int:
    """List the registered architectures and the unregistered ones.

    Unregistered are the architectures and tasks of transformers without a description here.
    """
    with clean_stdout() as stdout:
        load_descriptions(config_module)
        listing = read_listing().select(architecture, task)
        if json:
            write_json(listing.to_json(), stdout)
        else:
            _write_tables(listing, stdout)
            if architecture is not None:
                _write_reasons(listing, stdout)
    return 0


def read_listing() -> Listing:
    """Read all registered and unregistered architectures, sorted."""
    from harness.configs.tasks import TasksManager
    from harness.configs.transformers_mappings import LIBRARY
    from harness.configs.unregistered import not_registered
    from harness.exporters import exporter_names

    return Listing(
        registered=tuple(
            Listed(LIBRARY, name, tuple(TasksManager.get_supported_tasks_for_model_type(name)))
            for name in TasksManager.architectures()
        ),
        not_registered=tuple(Listed(*row[:2], tuple(row[2])) for row in not_registered()),
        exporters=tuple(exporter_names()),
    )


def _resolve_synonyms(tasks: str | None) -> str | None:
    from harness.configs.task_table import map_from_synonym

    return tasks and ",".join(map_from_synonym(task.strip()) for task in tasks.split(","))


def _narrow(
    rows: Iterable[Listed], architectures: Collection[str], tasks: Collection[str]
) -> tuple[Listed, ...]:
    narrowed = (
        replace(row, tasks=tuple(task for task in row.tasks if task in tasks))
        for row in rows
        if row.architecture in architectures
    )
    return tuple(row for row in narrowed if row.tasks)


def _write_tables(listing: Listing, stdout: TextIO) -> None:
    _write_table("registered", listing.registered, stdout)
    _write_table("in transformers, but not registered", listing.not_registered, stdout)
    typer.echo(
        f"{len(listing.registered)} architectures registered, with the exporters "
        f"{', '.join(listing.exporters)}; {len(listing.not_registered)} have unregistered tasks",
        file=stdout,
    )


def _write_reasons(listing: Listing, stdout: TextIO) -> None:
    """Print why each unregistered architecture has no description; equal reasons once."""
    from harness.configs.left_out import NOT_WRITTEN, PAGE, reasons_left_out
    from harness.configs.tasks import TasksManager

    reasons, found = reasons_left_out(), dict[str, list[str]]()
    names = {row.architecture for row in listing.not_registered}
    for name in sorted(names - set(TasksManager.architectures())):
        found.setdefault(reasons.get(name, NOT_WRITTEN), []).append(name)
    for reason, members in found.items():
        typer.echo(f"{', '.join(members)} not described: {reason} ({PAGE})", file=stdout)


def _write_table(title: str, rows: Sequence[Listed], stdout: TextIO) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    if not rows:
        return
    table = Table("architecture", "tasks", title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(row.architecture, ", ".join(row.tasks))
    console = Console(file=stdout)
    with console.capture() as captured:  # if rich printed, it would exit with 1 on a broken pipe
        console.print(table)
    typer.echo(captured.get(), file=stdout, nl=False)
