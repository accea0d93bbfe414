"""Joins the shards of one run, and what was judged of it later, into the run that they are.

Nothing is decided here that a run did not say: what contradicts, is missing or came twice is
refused, or shows as not judged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.files import write_whole
from harness.records import (
    RUN_FILE,
    CellId,
    Footer,
    Header,
    Outcome,
    Record,
    Run,
    Shard,
    dump_line,
    is_green,
    make_footer,
    reports_of,
)

RED = 1
# Runs of before did not say what is not registered.
_MAY_DIFFER = {"run", "started", "platform", "planned", "modalities", "requirements", "shard"} | {
    "not_registered"
}


@dataclass(frozen=True, slots=True)
class Source:
    """A run and the path that its user gave, by which refusals name it."""

    location: Path
    run: Run


def merge(sources: Sequence[Source], *, name: str, allow_missing: bool = False) -> Run:
    """Return the run called `name` that `sources` are the shards, reruns and resumptions of.

    It has the cells of all in the order of a plan, the records of each pair that some source
    judged, and is complete only where each pair was judged and each interrupted source was gone on
    with. Raises UsageError where sources contradict each other, where a pair was judged twice, and
    for a missing shard unless `allow_missing`.
    """
    _refuse_other_facts(sources)
    header = _header([source.run.header for source in sources], name=name)
    is_whole = _has_all_shards(sources, header, allow_missing=allow_missing)
    records = _records(sources, header)
    footer = _footer(sources, header, records)
    is_planned = not any(source.run.unplanned for source in sources)
    is_left = any(_is_abandoned(source, sources) for source in sources)
    if is_left or not (is_whole and is_planned):
        status = footer.exit_status or RED
        footer = dataclasses.replace(footer, exit_status=status, complete=False)
    started = {str(line.cell): line for source in _by_time(sources) for line in source.run.started}
    return Run(header=header, started=list(started.values()), records=records, footer=footer)


def write_run(run: Run, directory: Path) -> Path:
    """Write `run` to `directory`, cell by cell as planned; returns the path of the run file.

    Raises UsageError where the folder holds a run already, or cannot be written.
    """
    path = directory / RUN_FILE
    if path.exists():
        raise UsageError(f"{directory}: holds a run; give a new folder")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_whole(path, "".join(f"{line}\n" for line in _lines(run)))
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


def _refuse_other_facts(sources: Sequence[Source]) -> None:
    """Only what a shard or another machine may have of its own is allowed to differ."""
    first, *others = sources
    names = [f.name for f in dataclasses.fields(Header) if f.name not in _MAY_DIFFER]
    for other in others:
        for name in names:
            got, expected = (getattr(one.run.header, name) for one in (other, first))
            if got != expected:
                raise UsageError(
                    f"{other.location}: {_difference(name, got, expected)} of {first.location}; "
                    "merge the shards of one run only"
                )


def _difference(name: str, got: Any, expected: Any) -> str:
    if not isinstance(got, Mapping):
        return f"{name} is {got!r}, not the {expected!r}"
    keys = sorted(k for k in {*got, *expected} if got.get(k) != expected.get(k))
    parts = (f"{key} is {got.get(key)}, not the {expected.get(key)}" for key in keys)
    return f"{name}: {', '.join(parts)}"


def _header(headers: Sequence[Header], *, name: str) -> Header:
    planned: dict[str, list[str]] = {}
    for header in headers:
        for cell, requirements in header.planned.items():
            planned[cell] = _united([planned.get(cell, []), requirements])
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
        requirements={n: meanings[n] for n in _united([h.requirements for h in headers])},
        shard=None,
    )


def _plan_order(cell: str) -> tuple[str, str, str, str, int, str]:
    parsed = CellId.parse(cell)
    model = (parsed.architecture, parsed.variant, parsed.library)
    return (*model, parsed.task, parsed.opset, parsed.exporter)


def _united(orders: Iterable[Iterable[str]]) -> list[str]:
    """All names, each once and in the order that those have that share an order."""
    united: list[str] = []
    for order in orders:
        position = 0
        for name in order:
            if name not in united:
                united.insert(position, name)
            position = united.index(name) + 1
    return united


def _has_all_shards(sources: Sequence[Source], header: Header, *, allow_missing: bool) -> bool:
    shards = [(source, shard) for source in sources if (shard := source.run.header.shard)]
    if not shards:
        return True
    _refuse_other_splits(shards)
    _, shard = shards[0]
    if len(header.planned) > shard.cells:
        raise UsageError(
            f"the runs plan {len(header.planned)} cells, the whole plan of their shards has "
            f"{shard.cells}; merge the shards of one run only"
        )
    missing = sorted(set(range(1, shard.count + 1)) - {one.index for _, one in shards})
    lacking = shard.cells - len(header.planned)
    if (missing or lacking) and not allow_missing:
        named = ", ".join(f"{index}/{shard.count}" for index in missing) or f"{lacking} cells"
        raise UsageError(
            f"the shards are not all here: missing {named}; "
            "give them too, or --allow-missing for an incomplete run"
        )
    return not missing and not lacking


def _refuse_other_splits(shards: Sequence[tuple[Source, Shard]]) -> None:
    first, expected = shards[0]
    for source, shard in shards:
        if (shard.count, shard.cells) != (expected.count, expected.cells):
            raise UsageError(
                f"{source.location}: is shard {shard.index}/{shard.count} of {shard.cells} cells, "
                f"{first.location} {expected.index}/{expected.count} of {expected.cells}; "
                "merge the shards of one run only"
            )


def _records(sources: Sequence[Source], header: Header) -> dict[tuple[str, str], Record]:
    """One record per planned pair, in planned order; records outside the plan stand last."""
    judged: dict[tuple[str, str], tuple[Source, Record]] = {}
    unjudged: dict[tuple[str, str], Record] = {}
    for source in sources:
        for pair, record in source.run.records.items():
            if record.outcome is Outcome.NOT_RUN:
                unjudged[pair] = record
            elif pair in judged:
                raise UsageError(_twice(judged[pair], (source, record)))
            else:
                judged[pair] = (source, record)
    found = {**unjudged, **{pair: record for pair, (_, record) in judged.items()}}
    reports = reports_of(header, found)
    planned = {(str(r.cell), r.requirement): r for report in reports for r in report.records}
    return {**planned, **found}


def _twice(first: tuple[Source, Record], second: tuple[Source, Record]) -> str:
    (one, before), (other, after) = first, second
    pair = f"{after.requirement} of {after.cell}"
    if before.outcome is after.outcome:
        return (
            f"{other.location}: {pair} is {after.outcome} in {one.location} too; "
            "give each shard once"
        )
    return (
        f"{other.location}: {pair} is {after.outcome}, {before.outcome} in {one.location}; "
        "give the run that counts"
    )


def _footer(
    sources: Sequence[Source], header: Header, records: Mapping[tuple[str, str], Record]
) -> Footer:
    """Green where the records are, unless a source ended otherwise for another reason."""
    reports = reports_of(header, records)
    otherwise = [
        source.run.footer.exit_status
        for source in sources
        if source.run.footer is not None and is_green(source.run.reports())
    ]
    status = max(otherwise, default=0) if is_green(reports) else RED
    ended = [footer.ended for source in sources if (footer := source.run.footer) is not None]
    last = max((time for time in ended if time is not None), default=None)
    return make_footer(reports, exit_status=status, ended=last)


def _is_abandoned(source: Source, sources: Sequence[Source]) -> bool:
    """Whether a run was interrupted and none that ended went on with its cells."""
    if source.run.footer is not None:
        return False
    ended = [other.run.header.planned for other in sources if other.run.footer is not None]
    return not any(source.run.header.planned.keys() & planned.keys() for planned in ended)


def _by_time(sources: Sequence[Source]) -> list[Source]:
    return sorted(sources, key=lambda source: source.run.header.started)
