"""Checks of known failures: what can never be met is an error, and not ignored.

Runs and `expectations check` use the same checks. The command shows every problem, a run the first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import permutations
from pathlib import Path

from harness.configs.plugins import fixture_directories
from harness.errors import UsageError
from harness.matrix.expectation_files import WrittenFinding, read_findings
from harness.matrix.expectation_lists import find_wrong_lines, read_pairs
from harness.matrix.expectations import FINDINGS, Expectation, Expectations, Pair
from harness.matrix.full_matrix import FullMatrix
from harness.matrix.names import select
from harness.matrix.opsets import format_opsets, parse_opsets
from harness.matrix.registry import Registry
from harness.versions import installed_version

VersionOf = Callable[[str], str | None]
"""Distribution -> its version, None if it is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A finding that could be read, with its pairs; `inactive` says which versions it needs."""

    written: WrittenFinding
    expectation: Expectation
    pairs: tuple[Pair, ...]
    inactive: str

    @property
    def folder(self) -> Path:
        return self.written.path.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """The findings in the order of their files, and one line for each problem."""

    known: tuple[Known, ...]
    problems: tuple[str, ...]

    def require_sound(self) -> Examined:
        """Return itself; raises UsageError with the first problem and the number of others."""
        if not self.problems:
            return self
        first, *others = self.problems
        more = f" ({len(others)} more, see python -m harness expectations check)" if others else ""
        raise UsageError(f"{first}{more}")

    @property
    def active(self) -> tuple[Known, ...]:
        """The findings that hold for the installed versions."""
        return tuple(one for one in self.known if not one.inactive)

    @property
    def expectations(self) -> Expectations:
        """The expectations that hold. Of several folders that list a pair, the first counts."""
        return Expectations(
            {pair: one.expectation for one in reversed(self.active) for pair in one.pairs}
        )


def load_expectations(
    places: Sequence[Path], registry: Registry, *, today: date | None = None
) -> Expectations:
    """Return the known failures of folders and TOML files that hold for the installed versions.

    Raises UsageError, one line that names file and key, if anything is wrong with them.
    """
    return examine_expectations(places, registry, today=today).require_sound().expectations


def examine_expectations(
    places: Sequence[Path],
    registry: Registry,
    *,
    today: date | None = None,
    version_of: VersionOf = installed_version,
    needs_cells: bool = True,
) -> Examined:
    """Read and check the findings of folders and TOML files.

    If `needs_cells` is false, a finding whose list is missing or empty is not a problem. Raises
    UsageError if a file cannot be read or is not TOML.
    """
    matrix, day = FullMatrix.of(registry), today or datetime.now(UTC).date()
    known: list[Known] = []
    problems: list[str] = []
    for found in (found for place in places for found in read_findings(place)):
        if isinstance(found, str):
            problems.append(found)
            continue
        problems += [*_expiry(found, day), *_missing_page(found)]
        try:
            known.append(_know(found, matrix, version_of))
        except UsageError as error:
            problems.append(f"{found.path}: {error}")
            continue
        if found.lines or needs_cells:
            wrong = find_wrong_lines(found.lines, known[-1].expectation, matrix)
            problems += [f"{found.cells_path}: {line}" for line in wrong]
    return Examined(known=tuple(known), problems=(*problems, *_conflicts(known)))


def _know(found: WrittenFinding, matrix: FullMatrix, version_of: VersionOf) -> Known:
    """Resolve names; raises UsageError if a name or an opset matches nothing."""
    entry = found.entry
    expectation = Expectation(
        exporters=frozenset(select(entry.exporter, matrix.exporters, subject="exporter")),
        opsets=_opsets(entry.opsets, matrix),
        requirements=select(entry.requirement, matrix.requirements, subject="requirement"),
        outcome=entry.outcome,
        pattern=re.compile(entry.message),
        reason=entry.reason,
        issue=entry.issue,
        layer=entry.layer,
        source=found.path.name,
    )
    return Known(
        written=found,
        expectation=expectation,
        pairs=tuple(read_pairs(found.lines, expectation.requirements)),
        inactive="; ".join(_unmet(entry.versions, version_of)),
    )


def _opsets(text: str, matrix: FullMatrix) -> frozenset[int]:
    opsets = frozenset(parse_opsets(text, subject="opsets"))
    planned = frozenset(matrix.opsets.values())
    if others := opsets - planned:
        raise UsageError(
            f"opsets {text!r}: the nightly profile does not plan {format_opsets(others)}, only "
            f"{format_opsets(planned)}; take the others off the list"
        )
    return opsets


def _unmet(conditions: Mapping[str, str], version_of: VersionOf) -> Iterator[str]:
    """Yield each condition that does not hold, with the installed version."""
    from packaging.specifiers import SpecifierSet

    for distribution, condition in conditions.items():
        found = version_of(distribution)
        if found is None:
            yield f"asks for {distribution} {condition}, which is not installed"
        elif not SpecifierSet(condition).contains(found, prereleases=True):
            yield f"asks for {distribution} {condition}, {found} is installed"


def _expiry(found: WrittenFinding, day: date) -> Iterator[str]:
    expires = found.entry.expires
    if expires is not None and expires < day:
        yield f"{found.path}: expired on {expires}; judge it anew, then renew or remove it"


def _missing_page(found: WrittenFinding) -> Iterator[str]:
    """Pages are looked for in the project that holds the file; a wheel has no pages."""
    issue, folders = found.entry.issue, fixture_directories()
    own = found.path.parent.parent
    project = (own if own in folders else folders[-1]).parent
    if not (issue.startswith(FINDINGS) and (project / FINDINGS).is_dir()):
        return
    if not (project / issue.partition("#")[0]).is_file():
        yield (
            f"{found.path}: key 'issue' is {issue!r}: there is no such page; write it or correct "
            "the name"
        )


def _conflicts(known: Sequence[Known]) -> Iterator[str]:
    """Yield a line for each two findings of a folder that a failure could not distinguish.

    Only findings that hold for the same versions are compared. A package may list a pair that
    another package lists too, so folders are not compared.
    """
    active = [one for one in known if not one.inactive]
    yield from _listed_twice(active)
    for one, other in permutations(active, 2):
        if one.folder == other.folder and one.expectation.can_meet(other.expectation):
            yield from _same_message(one, other)


def _listed_twice(active: Sequence[Known]) -> Iterator[str]:
    owners: dict[Path, dict[Pair, Known]] = {}
    for one in active:
        listed = owners.setdefault(one.folder, {})
        twice = [pair for pair in one.pairs if listed.setdefault(pair, one) is not one]
        for name in sorted({listed[pair].written.cells_path.name for pair in twice}):
            shared = [pair for pair in twice if listed[pair].written.cells_path.name == name]
            yield (
                f"{one.written.cells_path}: {' '.join(shared[0])} stands in {name} too "
                f"({len(shared)} such pairs); take it off one of the lists"
            )


def _same_message(one: Known, other: Known) -> Iterator[str]:
    """Yield a line if the pattern of `one` matches the example of `other`.

    Called only if a record can have both signatures. Otherwise the same words are allowed: two
    exporters may report two defects alike, and lists keep them apart.
    """
    if one.expectation.pattern.search(other.written.entry.example):
        yield (
            f"{one.written.path}: key 'message' matches the example of {other.written.path.name} "
            "too; narrow the pattern"
        )
