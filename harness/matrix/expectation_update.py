"""The edits of expectation files that a run asks for, and what it leaves open."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.configs.plugins import find_fixture, fixture_directories
from harness.matrix.expectation_checks import Examined, Known, VersionOf
from harness.matrix.expectation_edits import Edit, edit_entry
from harness.matrix.expectation_evidence import Judged, collect_evidence, judge_pairs
from harness.matrix.expectation_files import FOLDER, read_source
from harness.matrix.expectation_proposals import propose_entries
from harness.matrix.expectation_text import edit_text
from harness.matrix.pairs import Matrix, Pair
from harness.records import Run
from harness.versions import installed_version

NEW_FILE = "# Known failures of the {exporter} exporter. See README.md for the keys.\n"
SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEdit:
    """A file as it is and as it should be; `before` is empty for one that is not there yet."""

    path: Path
    before: str
    after: str

    def diff(self, name: str) -> str:
        """As `git diff` writes it, of a file called `name`."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            f"a/{name}" if self.before else "/dev/null",
            f"b/{name}",
        )
        return "".join(line if line.endswith("\n") else f"{line}\n{NO_NEWLINE}" for line in lines)


NO_NEWLINE = "\\ No newline at end of file\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What is to be written, and one line for each thing that whoever reads it should know."""

    files: tuple[FileEdit, ...]
    notes: tuple[str, ...]


def versions_of(run: Run) -> VersionOf:
    """The versions that a run was made with; those that are installed for what it does not say."""

    def find(distribution: str) -> str | None:
        told = run.header.versions.get(distribution)
        return installed_version(distribution) if told in (None, "unknown") else told

    return find


def home_of(pair: Pair) -> Path:
    """The file for an entry about a pair: of its exporter, beside the tiny model."""
    model = find_fixture(f"models/{pair.model}.json")
    folder = model.parent.parent if model else fixture_directories()[-1]
    return folder / FOLDER / f"{pair.exporter}.toml"


def propose_update(
    run: Run, examined: Examined, matrix: Matrix, *, home: Callable[[Pair], Path] = home_of
) -> Update:
    """Edits after which the run's records are all as expected; new entries lack their reasons.

    Raises UsageError for a file whose entries cannot be told apart in its text.
    """
    active = [one for one in examined.known if not one.inactive]
    judged = judge_pairs(run, active)
    edits = list(_edits(active, judged, matrix))
    inside, outside = _partition(judged.failures(active), matrix)
    new = {
        path: tuple(propose_entries(pairs, judged, matrix))
        for path, pairs in _by_home(inside, home).items()
    }
    notes = [
        *_state(run),
        *(edit.note for edit in edits),
        *(f"{path.name}: {len(new[path])} new, without reason and issue" for path in new),
        *_open(outside, "are not planned by the nightly, so no entry can hold for them"),
        *_open(judged.forgotten, "ended as entries said that are no more; run these again"),
    ]
    return Update(files=tuple(_files(examined.known, edits, new)), notes=tuple(notes))


def _partition(pairs: Iterable[Pair], matrix: Matrix) -> tuple[list[Pair], list[Pair]]:
    """Those that the matrix has, and the others."""
    inside: list[Pair] = []
    outside: list[Pair] = []
    for pair in pairs:
        (inside if matrix.has(pair) else outside).append(pair)
    return inside, outside


def _by_home(pairs: Iterable[Pair], home: Callable[[Pair], Path]) -> Mapping[Path, list[Pair]]:
    found: dict[Path, list[Pair]] = defaultdict(list)
    for pair in pairs:
        found[home(pair)].append(pair)
    return found


def _edits(active: Sequence[Known], judged: Judged, matrix: Matrix) -> Iterator[Edit]:
    for number, one in enumerate(active):
        edit = edit_entry(
            one, collect_evidence(one, active[:number], judged, matrix), judged, matrix
        )
        if edit is not None:
            yield edit


def _files(
    known: Sequence[Known], edits: Sequence[Edit], new: Mapping[Path, Sequence[str]]
) -> Iterator[FileEdit]:
    places = [one.written.place for one in known]
    edited = [edit.known.written.place.path for edit in edits]
    for path in sorted({*edited, *new}):
        before = read_source(path) if path.exists() else ""
        changes = {
            edit.known.written.place.number: edit.changes
            for edit in edits
            if edit.known.written.place.path == path
        }
        after = edit_text(
            before or NEW_FILE.format(exporter=path.stem),
            changes,
            new.get(path, ()),
            path=path,
            count=sum(place.path == path for place in places),
        )
        yield FileEdit(path=path, before=before, after=after)


def _state(run: Run) -> Iterator[str]:
    if run.footer is None:
        yield "this run was interrupted: what it did not judge stays as it is"
    elif not run.footer.complete:
        yield "this run is not complete: what it did not judge stays as it is"


def _open(pairs: Sequence[Pair], what: str) -> Iterator[str]:
    if pairs:
        shown = ", ".join(map(str, pairs[:SHOWN])) + (", ..." if len(pairs) > SHOWN else "")
        yield f"{len(pairs)} pairs {what}: {shown}"
