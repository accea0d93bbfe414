"""Going on with a run that was interrupted: what it planned, and what it has records of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.matrix.plan import Plan
from harness.matrix.registry import Registry
from harness.records import CellId, Outcome, Record, Run, read_run
from harness.versions import difference

Known = Mapping[CellId, Mapping[str, Record]]


@dataclass(frozen=True, slots=True)
class Resumed:
    """An earlier run without what says `not_run`."""

    directory: Path
    run: Run

    @property
    def plan(self) -> Plan:
        """The cells that have a planned requirement without a record, with all requirements."""
        return {
            CellId.parse(cell): tuple(names)
            for cell, names in self.run.header.planned.items()
            if any((cell, name) not in self.run.records for name in names)
        }

    @property
    def known(self) -> Known:
        """The records of cells that were judged in part."""
        return {
            cell: {
                name: self.run.records[str(cell), name]
                for name in names
                if (str(cell), name) in self.run.records
            }
            for cell, names in self.plan.items()
        }


def read_resumed(directory: Path, registry: Registry) -> Resumed:
    """Raises UsageError where there is nothing to resume, or where it cannot be gone on with."""
    run = read_run(directory)
    if not directory.is_dir():
        raise UsageError(f"{directory}: is a file; give the folder of the run")
    _refuse_other_versions(run, directory)
    records = {pair: r for pair, r in run.records.items() if r.outcome is not Outcome.NOT_RUN}
    resumed = Resumed(directory, Run(run.header, run.started, records, None))
    if not resumed.plan and run.footer is not None:
        raise UsageError(f"{directory}: every planned pair has a record, nothing is left to do")
    known = {str(model) for model in registry.models}
    for cell in resumed.plan:
        model = f"{cell.architecture}~{cell.variant}" if cell.variant else cell.architecture
        if model not in known:
            raise UsageError(
                f"{directory}: plans {cell}, which is not registered; load it with --config-module"
            )
    return resumed


def _refuse_other_versions(run: Run, directory: Path) -> None:
    if (found := difference(run.header.versions)) is not None:
        name, then, now = found
        raise UsageError(
            f"{directory}: was begun with {name} {then}, installed is {now}; "
            "one run is made with one set of versions, start a new one"
        )
