"""The changes of known failures that a run asks for: lines of lists, and drafts of findings."""

from __future__ import annotations

import dataclasses
import difflib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.configs.plugins import find_fixture, fixture_directories
from harness.matrix.expectation_checks import Examined, Known, VersionOf
from harness.matrix.expectation_files import CELLS, FINDING, FOLDER, read_source
from harness.matrix.expectation_lists import write_list
from harness.matrix.expectations import EXPECTABLE_OUTCOMES, Pair, own_message
from harness.matrix.full_matrix import FullMatrix
from harness.records import CellId, Outcome, Record, Run
from harness.versions import installed_version

SHOWN = 3
UNMET = frozenset({Outcome.PASSED, Outcome.NOT_APPLICABLE})
NO_NEWLINE = "\\ No newline at end of file\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEdit:
    """A file before and after, empty if it is missing: an empty file is not written."""

    path: Path
    before: str
    after: str

    def diff(self, name: str) -> str:
        """Return the change as `git diff` writes it, of a file called `name`."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            f"a/{name}" if self.before else "/dev/null",
            f"b/{name}" if self.after else "/dev/null",
        )
        return "".join(line if line.endswith("\n") else f"{line}\n{NO_NEWLINE}" for line in lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """The files to write, and one line for each thing that the reader should know."""

    files: tuple[FileEdit, ...]
    notes: tuple[str, ...]


def versions_of(run: Run) -> VersionOf:
    """Return the versions that a run was made with; the installed ones if it does not say."""

    def find(distribution: str) -> str | None:
        stated = run.header.versions.get(distribution)
        return installed_version(distribution) if stated in (None, "unknown") else stated

    return find


def home_of(cell: CellId) -> Path:
    """Return the folder for known failures of a cell: in the fixtures of its tiny model."""
    name = f"{cell.architecture}~{cell.variant}" if cell.variant else cell.architecture
    model = find_fixture(f"models/{name}.json")
    return (model.parent.parent if model else fixture_directories()[-1]) / FOLDER


def propose_update(
    run: Run, examined: Examined, matrix: FullMatrix, *, home: Callable[[CellId], Path] = home_of
) -> Update:
    """Return the changes after which all records of a run are as expected; drafts lack reasons.

    Pairs without a verdict are left as they are: a run that judged less removes less.
    """
    changes = _Changes(examined.active, matrix, home)
    for record in run.records.values():
        changes.add(record)
    return Update(files=tuple(changes.files()), notes=(*_state(run), *changes.notes()))


class _Changes:
    """Collects what the records of a run ask for, by TOML file or by folder of new findings."""

    def __init__(
        self, active: Sequence[Known], matrix: FullMatrix, home: Callable[[CellId], Path]
    ) -> None:
        self._active, self._matrix, self._home = active, matrix, home
        self._owners = {pair: one for one in reversed(active) for pair in one.pairs}
        self._added: dict[Path, dict[Pair, Known]] = defaultdict(dict)
        self._removed: dict[Path, dict[Pair, Outcome]] = defaultdict(dict)
        self._new: dict[Path, list[Record]] = defaultdict(list)
        self._open: dict[str, list[Pair]] = defaultdict(list)

    def add(self, record: Record) -> None:
        pair = (str(record.cell), record.requirement)
        owner = self._owners.get(pair)
        judged = _without_expectation(record, owner, self._active)
        if judged is None:
            self._open["ended as a finding says that is gone; run them again"].append(pair)
        elif judged.outcome in EXPECTABLE_OUTCOMES:
            self._add_failure(judged, pair, owner)
        elif owner is not None and judged.outcome in UNMET:
            self._removed[owner.written.path][pair] = judged.outcome

    def _add_failure(self, failure: Record, pair: Pair, owner: Known | None) -> None:
        matching = [one for one in self._active if one.expectation.is_met_by(failure)]
        if owner in matching:
            return
        if self._matrix.why_not_planned(pair[0]) or pair[1] not in self._matrix.requirements:
            self._open["are not planned in a full matrix, so no finding can list them"].append(pair)
            return
        if owner is not None:
            self._removed[owner.written.path][pair] = failure.outcome
        home = self._home(failure.cell)
        matching = [one for one in matching if one.folder == home] or matching
        if len(matching) > 1:
            names = " and ".join(one.expectation.source for one in matching)
            self._open[f"match {names}; narrow a pattern, then update again"].append(pair)
        elif matching:
            self._list(matching[0], failure, home=home)
        elif near := [one for one in self._active if one.expectation.has_message_of(failure)]:
            self._open[
                f"match the message of {near[0].expectation.source}, but not its exporter, opsets "
                "and requirement; if it is one defect, widen these and update again"
            ].append(pair)
        else:
            self._new[home].append(failure)

    def _list(self, known: Known, failure: Record, *, home: Path) -> None:
        """Add a line to the list of a finding, or of its copy in the folder `home`."""
        path = home / known.written.path.name
        if known.folder != home and path.exists():
            self._new[home].append(failure)  # another finding has this name there
        else:
            self._added[path][str(failure.cell), failure.requirement] = known

    def files(self) -> Iterator[FileEdit]:
        by_path = {one.written.path: one for one in self._active}
        for path in sorted({*self._added, *self._removed}):
            one = by_path.get(path) or next(iter(self._added[path].values()))
            pairs = {*one.pairs} if path in by_path else set()
            pairs = (pairs - {*self._removed[path]}) | {*self._added[path]}
            cells = write_list(pairs, one.expectation.requirements)
            yield from _edits(path, read_source(one.written.path) if cells else "", cells)
        for folder in sorted(self._new):
            yield from self._drafts(folder)

    def _drafts(self, folder: Path) -> Iterator[FileEdit]:
        from harness.matrix.expectation_drafts import draft_findings

        taken = {path.stem for path in folder.glob("*.*")}
        for draft in draft_findings(self._new[folder], taken, self._matrix.requirements):
            yield from _edits(folder / f"{draft.name}{FINDING}", draft.finding, draft.cells)

    def notes(self) -> Iterator[str]:
        for path in sorted({*self._added, *self._removed}):
            counts = Counter(map(str, self._removed[path].values()))
            ended = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
            removed = f", {counts.total()} removed ({ended})" if counts else ""
            yield f"{path.name}: {len(self._added[path])} pairs added{removed}"
        for folder, failures in sorted(self._new.items()):
            yield f"{folder}: {len(failures)} pairs in new findings, without reason and issue"
        for what, pairs in self._open.items():
            shown = ", ".join(map(" ".join, pairs[:SHOWN]))
            yield f"{len(pairs)} pairs {what}: {shown}{', ...' if len(pairs) > SHOWN else ''}"


def _without_expectation(
    record: Record, owner: Known | None, active: Sequence[Known]
) -> Record | None:
    """Return the record as judged; None if only a finding that is gone says how it failed."""
    if record.outcome is Outcome.XPASSED:
        return dataclasses.replace(record, outcome=Outcome.PASSED)
    if record.outcome is not Outcome.XFAILED:
        return dataclasses.replace(record, message=own_message(record))
    source = (record.expectation or {}).get("source")
    named = [one for one in (owner, *active) if one and one.expectation.source == source]
    return dataclasses.replace(record, outcome=named[0].expectation.outcome) if named else None


def _edits(path: Path, finding: str, cells: str) -> Iterator[FileEdit]:
    for one, after in ((path, finding), (path.with_suffix(CELLS), cells)):
        before = read_source(one) if one.exists() else ""
        if before != after:
            yield FileEdit(path=one, before=before, after=after)


def _state(run: Run) -> Iterator[str]:
    if run.footer is None:
        yield "this run was interrupted: what it did not judge stays as it is"
    elif not run.footer.complete:
        yield "this run is not complete: what it did not judge stays as it is"
