"""--resume: read an interrupted run, its plan and the records that it has already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.matrix.plan import Plan
from harness.matrix.registry import Registry
from harness.records import CellId, Outcome, Record, Run, read_run
from harness.versions import differing_version

RecordsByCell = Mapping[CellId, Mapping[str, Record]]


@dataclass(frozen=True, slots=True)
class ResumedRun:
    """An earlier run without its footer and without its records that say `not_run`."""

    directory: Path
    run: Run

    @property
    def plan(self) -> Plan:
        """Cells that lack the record of a planned requirement, each with all its requirements."""
        return {
            CellId.parse(cell): tuple(names)
            for cell, names in self.run.header.planned.items()
            if any((cell, name) not in self.run.records for name in names)
        }

    @property
    def earlier_records(self) -> RecordsByCell:
        """Records of the cells that were judged in part."""
        return {
            cell: {
                name: self.run.records[str(cell), name]
                for name in names
                if (str(cell), name) in self.run.records
            }
            for cell, names in self.plan.items()
        }


def read_resumed(directory: Path, registry: Registry) -> ResumedRun:
    """Read the run to resume from its folder.

    Raises UsageError if it is complete, was made with other versions, or plans a cell that is not
    registered.
    """
    run = read_run(directory)
    if not directory.is_dir():
        raise UsageError(f"{directory}: this is a file; give the folder of the run")
    _refuse_other_versions(run, directory)
    records = {pair: r for pair, r in run.records.items() if r.outcome is not Outcome.NOT_RUN}
    resumed = ResumedRun(directory, Run(run.header, run.started, records, None))
    if not resumed.plan and run.footer is not None:
        raise UsageError(f"{directory}: every planned pair has a record; start a new run")
    registered = {str(model) for model in registry.models}
    for cell in resumed.plan:
        model = f"{cell.architecture}~{cell.variant}" if cell.variant else cell.architecture
        if model not in registered:
            raise UsageError(
                f"{directory}: its plan has {cell}, which is not registered; "
                "load it with --config-module"
            )
    return resumed


def _refuse_other_versions(run: Run, directory: Path) -> None:
    if (found := differing_version(run.header.versions)) is not None:
        name, recorded, installed = found
        raise UsageError(
            f"{directory}: started with {name} {recorded}, but {installed} is installed; "
            "install the same versions, or start a new run"
        )
