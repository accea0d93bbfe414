"""Merges the shards of one run, and the runs that resumed it, into one run.

No verdict is made up: contradicting or duplicate records are refused, and missing records are
`not_run`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.files import write_atomically
from harness.records import (
    RUN_FILE,
    CellId,
    Footer,
    Header,
    Outcome,
    Record,
    Run,
    RunShard,
    dump_line,
    is_green,
    make_footer,
    reports_of,
)

RED = 1
# Older run files have no `not_registered`.
_MAY_DIFFER = {"run", "started", "platform", "planned", "modalities", "requirements", "shard"} | {
    "not_registered"
}


@dataclass(frozen=True, slots=True)
class SourceRun:
    """A run and the path that the user gave for it, which error messages show."""

    location: Path
    run: Run


def merge(sources: Sequence[SourceRun], *, name: str, allow_missing: bool = False) -> Run:
    """Merge shards of one run, and the runs that resumed it, into a run called `name`.

    The merged run has the cells of all sources, in planned order, and every verdict of a source.
    It is complete only if each pair has a verdict and each interrupted source was resumed. Raises
    UsageError if the sources contradict each other, if two sources judged the same pair, or if a
    shard is missing and `allow_missing` is false.
    """
    _refuse_different_headers(sources)
    header = _header([source.run.header for source in sources], name=name)
    is_whole = _has_all_shards(sources, header, allow_missing=allow_missing)
    records = _records(sources, header)
    footer = _footer(sources, header, records)
    is_planned = not any(source.run.unplanned for source in sources)
    is_abandoned = any(_is_abandoned(source, sources) for source in sources)
    if is_abandoned or not (is_whole and is_planned):
        status = footer.exit_status or RED
        footer = dataclasses.replace(footer, exit_status=status, complete=False)
    started = {str(line.cell): line for source in _by_time(sources) for line in source.run.started}
    return Run(header=header, started=list(started.values()), records=records, footer=footer)


def write_run(run: Run, directory: Path) -> Path:
    """Write `run` to `directory`, cell by cell in planned order, and return the run file's path.

    Raises UsageError if the folder already holds a run or cannot be written.
    """
    path = directory / RUN_FILE
    if path.exists():
        raise UsageError(f"{directory}: holds a run; give a new folder")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_atomically(path, "".join(f"{line}\n" for line in _lines(run)))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(f"{path}: cannot be written ({reason}); give another folder") from error
    return path


def _lines(run: Run) -> Iterable[str]:
    yield dump_line(run.header)
    started = {str(line.cell): line for line in run.started}
    begun: set[str] = set()
    for (cell, _), record in run.records.items():
        if cell in started and cell not in begun:
            yield dump_line(started[cell])
        begun.add(cell)
        yield dump_line(record)
    if run.footer is not None:
        yield dump_line(run.footer)


def _refuse_different_headers(sources: Sequence[SourceRun]) -> None:
    """Raise UsageError if headers differ in a field that is the same in all shards of a run."""
    first, *others = sources
    names = [f.name for f in dataclasses.fields(Header) if f.name not in _MAY_DIFFER]
    for other in others:
        for name in names:
            got, expected = (getattr(one.run.header, name) for one in (other, first))
            if got != expected:
                raise UsageError(
                    f"{other.location}: {_difference(name, got, expected)} as in {first.location}; "
                    "merge the shards of one run only"
                )


def _difference(name: str, got: Any, expected: Any) -> str:
    if not isinstance(got, Mapping):
        return f"{name} is {got!r}, expected {expected!r}"
    keys = sorted(k for k in {*got, *expected} if got.get(k) != expected.get(k))
    parts = (f"{key} is {got.get(key)}, expected {expected.get(key)}" for key in keys)
    return f"{name}: {'; '.join(parts)}"


def _header(headers: Sequence[Header], *, name: str) -> Header:
    planned: dict[str, list[str]] = {}
    for header in headers:
        for cell, requirements in header.planned.items():
            planned[cell] = _merged_order([planned.get(cell, []), requirements])
    ordered = {cell: planned[cell] for cell in sorted(planned, key=_plan_order)}
    modalities = {a: modality for header in headers for a, modality in header.modalities.items()}
    meanings = {n: meaning for header in headers for n, meaning in header.requirements.items()}
    architectures = dict.fromkeys(CellId.parse(cell).architecture for cell in ordered)
    return dataclasses.replace(
        min(headers, key=lambda header: header.started),
        run=name,
        platform="; ".join(sorted({header.platform for header in headers})),
        planned=ordered,
        modalities={a: modalities[a] for a in architectures if a in modalities},
        requirements={n: meanings[n] for n in _merged_order([h.requirements for h in headers])},
        shard=None,
    )


def _plan_order(cell: str) -> tuple[str, str, str, str, int, str]:
    parsed = CellId.parse(cell)
    model = (parsed.architecture, parsed.variant, parsed.library)
    return (*model, parsed.task, parsed.opset, parsed.exporter)


def _merged_order(orders: Iterable[Iterable[str]]) -> list[str]:
    """Return all names once, in an order that keeps the order of each iterable."""
    merged: list[str] = []
    for order in orders:
        position = 0
        for name in order:
            if name not in merged:
                merged.insert(position, name)
            position = merged.index(name) + 1
    return merged


def _has_all_shards(sources: Sequence[SourceRun], header: Header, *, allow_missing: bool) -> bool:
    shards = [(source, shard) for source in sources if (shard := source.run.header.shard)]
    if not shards:
        return True
    _refuse_different_splits(shards)
    _, shard = shards[0]
    if len(header.planned) > shard.cells:
        raise UsageError(
            f"the runs plan {len(header.planned)} cells, but the whole plan of their shards has "
            f"{shard.cells}; merge the shards of one run only"
        )
    missing = sorted(set(range(1, shard.count + 1)) - {one.index for _, one in shards})
    lacking = shard.cells - len(header.planned)
    if (missing or lacking) and not allow_missing:
        named = ", ".join(f"{index}/{shard.count}" for index in missing) or f"{lacking} cells"
        raise UsageError(
            f"not all shards were given: missing {named}; "
            "give them too, or --allow-missing for an incomplete run"
        )
    return not missing and not lacking


def _refuse_different_splits(shards: Sequence[tuple[SourceRun, RunShard]]) -> None:
    first, expected = shards[0]
    for source, shard in shards:
        if (shard.count, shard.cells) != (expected.count, expected.cells):
            raise UsageError(
                f"{source.location}: is shard {shard.index}/{shard.count} of {shard.cells} cells, "
                f"but {first.location} is shard {expected.index}/{expected.count} of "
                f"{expected.cells} cells; merge the shards of one run only"
            )


def _records(sources: Sequence[SourceRun], header: Header) -> dict[tuple[str, str], Record]:
    """Return (cell, requirement) -> record: planned ones in planned order, then the others.

    A planned pair that no source judged is *not run*. Raises UsageError if two sources judged the
    same pair.
    """
    judged: dict[tuple[str, str], tuple[SourceRun, Record]] = {}
    unjudged: dict[tuple[str, str], Record] = {}
    for source in sources:
        for pair, record in source.run.records.items():
            if record.outcome is Outcome.NOT_RUN:
                unjudged[pair] = record
            elif pair in judged:
                raise UsageError(_duplicate_message(judged[pair], (source, record)))
            else:
                judged[pair] = (source, record)
    found = {**unjudged, **{pair: record for pair, (_, record) in judged.items()}}
    reports = reports_of(header, found)
    planned = {(str(r.cell), r.requirement): r for report in reports for r in report.records}
    return {**planned, **found}


def _duplicate_message(first: tuple[SourceRun, Record], second: tuple[SourceRun, Record]) -> str:
    (one, before), (other, after) = first, second
    pair = f"{after.requirement} of {after.cell}"
    if before.outcome is after.outcome:
        return (
            f"{other.location}: {pair} is {after.outcome}, and also in {one.location}; "
            "give each shard once"
        )
    return (
        f"{other.location}: {pair} is {after.outcome}, but {before.outcome} in {one.location}; "
        "give only the run that counts"
    )


def _footer(
    sources: Sequence[SourceRun], header: Header, records: Mapping[tuple[str, str], Record]
) -> Footer:
    """Return the footer of the merged run.

    Status 0 if the records are green, unless a source with green records ended with another
    status, which then counts.
    """
    reports = reports_of(header, records)
    statuses = [
        source.run.footer.exit_status
        for source in sources
        if source.run.footer is not None and is_green(source.run.reports())
    ]
    status = max(statuses, default=0) if is_green(reports) else RED
    ended = [footer.ended for source in sources if (footer := source.run.footer) is not None]
    last = max((time for time in ended if time is not None), default=None)
    return make_footer(reports, exit_status=status, ended=last)


def _is_abandoned(source: SourceRun, sources: Sequence[SourceRun]) -> bool:
    """Whether a run was interrupted, and no run that ended has planned any of its cells."""
    if source.run.footer is not None:
        return False
    ended = [other.run.header.planned for other in sources if other.run.footer is not None]
    return not any(source.run.header.planned.keys() & planned.keys() for planned in ended)


def _by_time(sources: Sequence[SourceRun]) -> list[SourceRun]:
    return sorted(sources, key=lambda source: source.run.header.started)
