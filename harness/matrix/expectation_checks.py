"""Whether the entries of expectation files can hold: one that never could is refused, not ignored.

Runs and `expectations check` ask here. The command shows every problem, a run the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from harness.configs.plugins import fixture_directories
from harness.errors import UsageError
from harness.matrix.expectation_files import Written, read_entries
from harness.matrix.expectation_matching import box_of, find_unmatched
from harness.matrix.expectations import FINDINGS, Expectation, Expectations
from harness.matrix.pairs import Matrix
from harness.matrix.registry import Registry
from harness.versions import installed_version

VersionOf = Callable[[str], str | None]
"""Distribution -> its version, None where it is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An entry that can hold; `inactive` says why it does not with these versions, if so."""

    written: Written
    expectation: Expectation
    inactive: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """The sound entries in the order of their files, and one line for each thing that is wrong."""

    known: tuple[Known, ...]
    problems: tuple[str, ...]

    def require_sound(self) -> Examined:
        """Itself; raises UsageError with the first problem, and how many more there are."""
        if not self.problems:
            return self
        first, *others = self.problems
        more = f" ({len(others)} more, see python -m harness expectations check)" if others else ""
        raise UsageError(f"{first}{more}")

    @property
    def active(self) -> Expectations:
        """What holds."""
        return Expectations(tuple(one.expectation for one in self.known if not one.inactive))


def load_expectations(
    files: Sequence[Path], registry: Registry, *, today: date | None = None
) -> Expectations:
    """The entries of `files` that hold for the installed versions.

    Raises UsageError, one line that names file, entry and key, where anything is wrong with them.
    """
    return examine_expectations(files, registry, today=today).require_sound().active


def examine_expectations(
    files: Sequence[Path],
    registry: Registry,
    *,
    today: date | None = None,
    version_of: VersionOf = installed_version,
) -> Examined:
    """Read the entries of `files`; raises UsageError for a file that is not TOML."""
    matrix, day = Matrix(registry), today or datetime.now(UTC).date()
    known: list[Known] = []
    problems: list[str] = []
    for found in (found for path in files for found in read_entries(path)):
        if isinstance(found, str):
            problems.append(found)
            continue
        wrong = [*_expiry(found, day), *_missing_page(found), *find_unmatched(found.entry, matrix)]
        problems += [f"{found.place.text} {problem}" for problem in wrong]
        if not wrong:
            known.append(_know(found, registry, version_of))
    problems += _shadowed(known, matrix)
    return Examined(known=tuple(known), problems=tuple(problems))


def _know(found: Written, registry: Registry, version_of: VersionOf) -> Known:
    entry = found.entry
    expectation = Expectation(
        box=box_of(entry, registry),
        outcome=entry.outcome,
        reason=entry.reason,
        issue=entry.issue,
        layer=entry.layer,
        source=found.place.source,
    )
    unmet = "; ".join(_unmet(entry.versions, version_of))
    return Known(written=found, expectation=expectation, inactive=unmet)


def _unmet(conditions: Mapping[str, str], version_of: VersionOf) -> Iterator[str]:
    """Each condition that does not hold, with the version that there is."""
    from packaging.specifiers import SpecifierSet

    for distribution, condition in conditions.items():
        found = version_of(distribution)
        if found is None:
            yield f"asks for {distribution} {condition}, which is not installed"
        elif not SpecifierSet(condition).contains(found, prereleases=True):
            yield f"asks for {distribution} {condition}, {found} is installed"


def _expiry(found: Written, day: date) -> Iterator[str]:
    expires = found.entry.expires
    if expires is not None and expires < day:
        yield f"expired on {expires}; judge it anew, then renew or remove it"


def _missing_page(found: Written) -> Iterator[str]:
    """Findings are looked for in the project that holds the file; a wheel has no pages."""
    issue, folders = found.entry.issue, fixture_directories()
    own = found.place.path.parent.parent
    project = (own if own in folders else folders[-1]).parent
    if not (issue.startswith(FINDINGS) and (project / FINDINGS).is_dir()):
        return
    if not (project / issue.partition("#")[0]).is_file():
        yield f"key 'issue' is {issue!r}: there is no such page; write it or correct the name"


def _shadowed(known: Sequence[Known], matrix: Matrix) -> Iterator[str]:
    """Entries that never count, since others count first at every pair that they cover."""
    for number, one in enumerate(known):
        earlier = [other for other in known[:number] if always_precedes(other, one)]
        first = _first_to_cover(one, earlier, matrix)
        if first:
            others = " and ".join(dict.fromkeys(other.written.place.source for other in first))
            yield (
                f"{one.written.place.text} never counts, every pair that it covers is covered by "
                f"{others} before it; narrow or remove one of them"
            )


def always_precedes(other: Known, one: Known) -> bool:
    """Whether an entry before `one` holds wherever that does, so that it counts where both cover.

    From the same folder: a package may override what it did not write.
    """
    mine, theirs = one.written, other.written
    return (
        mine.place.path.parent == theirs.place.path.parent
        and theirs.entry.versions.items() <= mine.entry.versions.items()
        and one.expectation.box.overlaps(other.expectation.box)
    )


def _first_to_cover(one: Known, earlier: Sequence[Known], matrix: Matrix) -> list[Known]:
    """For each pair of an entry the first of `earlier` that covers it; none if one is its own."""
    found = []
    for pair in matrix.pairs(one.expectation.box):
        first = next((other for other in earlier if other.expectation.box.covers(pair)), None)
        if first is None:
            return []
        found.append(first)
    return found
