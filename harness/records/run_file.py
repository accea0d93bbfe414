"""Read and write run files; a killed run is read together with its journals."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.records.cell_report import CellReport
from harness.records.json_types import from_plain
from harness.records.lines import (
    READABLE_VERSIONS,
    SCHEMA_VERSION,
    CellId,
    Footer,
    Header,
    Line,
    Record,
    Started,
)
from harness.records.outcomes import Outcome

RUN_FILE = "run.jsonl"
JOURNALS = "journals"
SCRATCH = "scratch"

_LINE_TYPES: Mapping[str, type[Header] | type[Started] | type[Record] | type[Footer]] = {
    "header": Header,
    "started": Started,
    "record": Record,
    "footer": Footer,
}


@dataclass(slots=True)
class Run:
    """The contents of a run file. `footer` is None if the run was interrupted."""

    header: Header
    started: list[Started]
    records: dict[tuple[str, str], Record]
    footer: Footer | None

    def reports(self) -> list[CellReport]:
        """Return one report per planned cell, in planned order; missing records are `not_run`."""
        return reports_of(self.header, self.records)

    @property
    def unplanned(self) -> list[tuple[str, str]]:
        """The (cell, requirement) pairs that have a record but are not in the plan."""
        planned = {(cell, name) for cell, names in self.header.planned.items() for name in names}
        return [pair for pair in self.records if pair not in planned]


def reports_of(header: Header, records: Mapping[tuple[str, str], Record]) -> list[CellReport]:
    """Return one report per cell that `header` plans, in order; missing records are `not_run`."""
    return [
        CellReport(
            (parsed := CellId.parse(cell)),
            tuple(records.get((cell, name)) or _no_record(parsed, name) for name in requirements),
        )
        for cell, requirements in header.planned.items()
    ]


def _no_record(cell: CellId, requirement: str) -> Record:
    return Record(
        cell=cell,
        requirement=requirement,
        outcome=Outcome.NOT_RUN,
        message="no record: the run ended before this pair was judged",
    )


def dump_line(line: Line) -> str:
    """Return a line of a run file, without newline; raises ValueError for NaN outside `worst`."""
    return json.dumps(line.to_json(), allow_nan=False, separators=(",", ":"))


def parse_line(text: str, *, source: str) -> Line:
    """Parse one line of a run file; raises UsageError that names `source` if it is corrupt."""
    try:
        data = json.loads(text)
        kind = _LINE_TYPES[data["type"]]
        fields = {f.name for f in dataclasses.fields(kind)}  # a newer harness may write others
        line: Line = from_plain(kind, {name: data[name] for name in fields & data.keys()})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, UsageError) as error:
        raise UsageError(f"{source}: not a line of a run file ({error!r})") from error
    if isinstance(line, Header) and line.schema_version in READABLE_VERSIONS:
        return dataclasses.replace(line, schema_version=SCHEMA_VERSION)  # as it is written next
    return line


JournalText = tuple[str, str]
"""The name of a journal, and whole lines of it."""


class JournalReader:
    """Reads journals in a folder, each from where the last call ended.

    `pattern` is a glob of their names. A journal may grow while it is read.
    """

    def __init__(self, folder: Path, pattern: str = "*.jsonl") -> None:
        self._folder = folder
        self._pattern = pattern
        self._offsets: dict[str, int] = {}

    def read(self) -> list[JournalText]:
        """Return the new text of each journal that has any, without an incomplete last line."""
        found = []
        for path in sorted(self._folder.glob(self._pattern)):
            offset = self._offsets.get(path.name, 0)
            with path.open("rb") as stream:
                stream.seek(offset)
                data = stream.read()
            whole = data[: data.rfind(b"\n") + 1]
            if whole:
                self._offsets[path.name] = offset + len(whole)
                found.append((path.name, whole.decode("utf-8", errors="replace")))
        return found

    def lines(self) -> list[Started | Record]:
        """Return the new lines of all journals."""
        return [line for _, text in self.read() for line in parse_journal(text)]


def parse_journal(text: str) -> list[Started | Record]:
    """Return the lines of a journal.

    A line that cannot be parsed counts as missing: the code of a cell can write into the journal of
    its process, and one such line must not cost the records of others.
    """
    lines = []
    for line in filter(None, text.split("\n")):
        with contextlib.suppress(UsageError):
            lines.append(parse_line(line, source="journal"))
    return [line for line in lines if isinstance(line, Started | Record)]


def read_run(location: Path) -> Run:
    """Read a run directory or a run file, with the journals that a killed run left behind.

    Raises UsageError if there is no run file, its header is missing or has another schema, a line
    of the run file is corrupt, it has two records of one pair, or lines follow its footer. Its
    half-written last line is ignored, and so is a journal's record of a pair that it already has.
    """
    path = location / RUN_FILE if location.is_dir() else location
    if not path.is_file():
        raise UsageError(f"{location}: no run file here; give a run directory or its {RUN_FILE}")
    own = list(_read_lines(path))
    folders = sorted((path.parent / JOURNALS).glob("*"))
    lines: list[Line] = [*own, *(line for one in folders for line in JournalReader(one).lines())]
    headers = [line for line in lines if isinstance(line, Header)]
    if len(headers) != 1 or lines[0] is not headers[0]:
        raise UsageError(f"{path}: a run file starts with its one header, found {len(headers)}")
    _refuse_impossible_lines(own, path)
    records: dict[tuple[str, str], Record] = {}
    for record in (line for line in lines if isinstance(line, Record)):
        records.setdefault((str(record.cell), record.requirement), record)
    return Run(
        header=headers[0],
        started=[line for line in lines if isinstance(line, Started)],
        records=records,
        footer=next((line for line in lines if isinstance(line, Footer)), None),
    )


def _refuse_impossible_lines(lines: Sequence[Line], path: Path) -> None:
    """Raise UsageError for two records of one pair, or for lines after the footer."""
    seen: set[tuple[str, str]] = set()
    for before, line in zip((None, *lines), lines, strict=False):
        if isinstance(before, Footer):
            raise UsageError(f"{path}: lines follow its footer; give the file as it was written")
        if isinstance(line, Record):
            pair = (str(line.cell), line.requirement)
            if pair in seen:
                raise UsageError(
                    f"{path}: has two records of {line.requirement} of {line.cell}, expected one; "
                    "give the file as it was written"
                )
            seen.add(pair)


def _read_lines(path: Path) -> Iterator[Line]:
    texts = path.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, text in enumerate(texts, start=1):
        is_incomplete = number == len(texts)  # a complete line ends with a newline
        if not text or is_incomplete:
            continue
        if number == 1 and '"schema_version"' in text:
            _refuse_other_schema(text, path)
        yield parse_line(text, source=f"{path}:{number}")


def _refuse_other_schema(text: str, path: Path) -> None:
    match = re.search(r'"schema_version":\s*(\d+)', text)
    if match and int(match[1]) not in READABLE_VERSIONS:
        raise UsageError(
            f"{path}: run file of schema version {match[1]}, this harness reads up to "
            f"{SCHEMA_VERSION}; "
            "read it with the harness that wrote it"
        )
