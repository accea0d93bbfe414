"""What a run says: cells, outcomes, records and the run file.

A leaf (standard library only), because reports, other tools and interrupted processes read run
files without torch, transformers or onnx.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Self, get_args, get_origin, get_type_hints

from harness.errors import UsageError

SCHEMA_VERSION = 1
RUN_FILE = "run.jsonl"
JOURNALS = "journals"
TRACEBACK_LIMIT = 4096


class Outcome(StrEnum):
    """How one (cell, requirement) pair ended; members stand from worst to best."""

    CRASHED = "crashed"
    TIMED_OUT = "timed_out"
    ERRORED = "errored"
    FAILED = "failed"
    XPASSED = "xpassed"
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "not_run"
    XFAILED = "xfailed"
    SKIPPED = "skipped"
    PASSED = "passed"
    NOT_APPLICABLE = "not_applicable"


SEVERITY: Mapping[Outcome, int] = {outcome: rank for rank, outcome in enumerate(Outcome)}
EXPECTED_OUTCOMES = frozenset({Outcome.PASSED, Outcome.XFAILED, Outcome.NOT_APPLICABLE})
CONFORMING_OUTCOMES = frozenset({Outcome.PASSED, Outcome.NOT_APPLICABLE})


def roll_up(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst outcome; `not_run` where there is none."""
    return min(outcomes, key=SEVERITY.__getitem__, default=Outcome.NOT_RUN)


def is_expected(outcomes: Iterable[Outcome]) -> bool:
    """Whether a cell with these outcomes leaves a run green.

    A skip is as expected as the failure that it names: it is green only below an `xfailed`.
    """
    found = set(outcomes)
    allowed = EXPECTED_OUTCOMES | ({Outcome.SKIPPED} if Outcome.XFAILED in found else set())
    return bool(found) and found <= allowed


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class CellId:
    """One architecture x task x opset x exporter.

    As text: `[library:]architecture[~variant]/task/opset18/exporter`.
    """

    architecture: str
    task: str
    opset: int
    exporter: str
    library: str = "transformers"
    variant: str = ""

    _PATTERN: ClassVar[re.Pattern[str]] = re.compile(
        r"(?:(?P<library>[^:/~\s]+):)?(?P<architecture>[^:/~\s]+)(?:~(?P<variant>[^:/~\s]+))?"
        r"/(?P<task>[^/\s]+)/opset(?P<opset>\d+)/(?P<exporter>[^/\s]+)"
    )

    def __str__(self) -> str:
        library = "" if self.library == "transformers" else f"{self.library}:"
        variant = f"~{self.variant}" if self.variant else ""
        name = f"{library}{self.architecture}{variant}"
        return f"{name}/{self.task}/opset{self.opset}/{self.exporter}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a cell id; raises UsageError where `text` is none."""
        match = cls._PATTERN.fullmatch(text)
        if match is None:
            raise UsageError(
                f"cell id {text!r} is not of the form architecture/task/opset18/exporter; "
                "an example is bert/fill-mask/opset18/dynamo"
            )
        groups = match.groupdict()
        return cls(
            architecture=groups["architecture"],
            task=groups["task"],
            opset=int(groups["opset"]),
            exporter=groups["exporter"],
            library=groups["library"] or "transformers",
            variant=groups["variant"] or "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Worst:
    """The largest difference seen over all examples, on one output."""

    output: str
    max_abs_diff: float
    atol: float
    error_ratio: float
    axes: Mapping[str, int]
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """The minimal example that fails: axis sizes and the seed of its values."""

    axes: Mapping[str, int]
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The verdict on one (cell, requirement) pair."""

    cell: CellId
    requirement: str
    outcome: Outcome
    seconds: float = 0.0
    part: str | None = None
    examples: int = 0
    covered: Mapping[str, list[int]] = field(default_factory=dict)
    worst: Worst | None = None
    failing: Failing | None = None
    message: str = ""
    traceback: str | None = None
    expectation: Mapping[str, Any] | None = None
    replay: str | None = None
    blame: str | None = None

    def to_json(self) -> dict[str, Any]:
        cell = self.cell
        return {
            "type": "record",
            "cell": str(cell),
            "library": cell.library,
            "architecture": cell.architecture,
            "task": cell.task,
            "opset": cell.opset,
            "exporter": cell.exporter,
            **{
                f.name: _plain(getattr(self, f.name))
                for f in dataclasses.fields(self)
                if f.name not in {"cell", "traceback"}
            },
            "traceback": self.traceback[-TRACEBACK_LIMIT:] if self.traceback else None,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        values = {f.name: data[f.name] for f in dataclasses.fields(cls) if f.name in data}
        values["cell"] = CellId.parse(data["cell"])
        values["outcome"] = Outcome(data["outcome"])
        if values.get("worst"):
            worst = dict(values["worst"])
            for name in ("max_abs_diff", "atol", "error_ratio"):
                worst[name] = float(worst[name])
            values["worst"] = Worst(**worst)
        if values.get("failing"):
            values["failing"] = Failing(**values["failing"])
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A process began with a cell; without records after it, that process died there."""

    cell: CellId
    process: str
    time: str

    def to_json(self) -> dict[str, Any]:
        return {
            "type": "started",
            "cell": str(self.cell),
            "process": self.process,
            "time": self.time,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(cell=CellId.parse(data["cell"]), process=data["process"], time=data["time"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first line of a run file: where the run came from and what it plans to judge.

    `planned` maps each cell id to its requirements, `modalities` each architecture to `text`,
    `vision`, ...; `started` is an ISO 8601 time in UTC.
    """

    run: str
    started: str
    versions: Mapping[str, str]
    platform: str
    profile: str
    seed: int
    planned: Mapping[str, list[str]]
    modalities: Mapping[str, str]
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> dict[str, Any]:
        return {"type": "header", **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{f.name: data[f.name] for f in dataclasses.fields(cls)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """The last line of a run that was not interrupted."""

    counts: Mapping[str, int]
    exit_status: int
    complete: bool

    def to_json(self) -> dict[str, Any]:
        return {"type": "footer", **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{f.name: data[f.name] for f in dataclasses.fields(cls)})


Line = Header | Started | Record | Footer
_LINE_TYPES: Mapping[str, type[Header] | type[Started] | type[Record] | type[Footer]] = {
    "header": Header,
    "started": Started,
    "record": Record,
    "footer": Footer,
}


@dataclass(frozen=True, slots=True)
class CellReport:
    """All records of one cell, in the order of the ladder."""

    cell: CellId
    records: tuple[Record, ...]

    @property
    def outcome(self) -> Outcome:
        return roll_up(record.outcome for record in self.records)

    @property
    def conforms(self) -> bool:
        """Whether something was judged and every applicable requirement passed."""
        outcomes = {record.outcome for record in self.records}
        return Outcome.PASSED in outcomes and outcomes <= CONFORMING_OUTCOMES

    def to_json(self) -> dict[str, Any]:
        """The form that `check --json` prints; its schema is `schemas/check.schema.json`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "conforms": self.conforms,
            "cell": str(self.cell),
            "requirements": [
                {
                    "id": record.requirement,
                    "outcome": str(record.outcome),
                    "message": record.message,
                    "examples": record.examples,
                    "worst": _plain(record.worst),
                }
                for record in self.records
            ],
        }


@dataclass(slots=True)
class Run:
    """A run file read back. No footer means that the run was interrupted."""

    header: Header
    started: list[Started]
    records: dict[tuple[str, str], Record]
    footer: Footer | None

    def reports(self) -> list[CellReport]:
        """One report per planned cell, in planned order; a missing record reads `not_run`."""
        return [
            CellReport(
                CellId.parse(cell),
                tuple(self.record(cell, requirement) for requirement in requirements),
            )
            for cell, requirements in self.header.planned.items()
        ]

    def record(self, cell: str, requirement: str) -> Record:
        found = self.records.get((cell, requirement))
        return found or Record(
            cell=CellId.parse(cell),
            requirement=requirement,
            outcome=Outcome.NOT_RUN,
            message="no record: the run ended before this pair was judged",
        )


def dump_line(line: Line) -> str:
    """One line of a run file, without its newline; raises ValueError for NaN outside `worst`."""
    return json.dumps(line.to_json(), allow_nan=False, separators=(",", ":"))


def parse_line(text: str, *, source: str) -> Line:
    """Read one line of a run file; raises UsageError that names `source` where it is corrupt."""
    try:
        data = json.loads(text)
        line = _LINE_TYPES[data["type"]].from_json(data)
        _refuse_other_types(line)
        return line
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, UsageError) as error:
        raise UsageError(f"{source}: not a line of a run file ({error!r})") from error


def read_run(location: Path) -> Run:
    """Read a run directory or a run file, with the journals that a killed run left behind.

    Raises UsageError where there is no run file, its header is missing or of another schema, or
    a line other than a last, half-written one is corrupt.
    """
    path = location / RUN_FILE if location.is_dir() else location
    if not path.is_file():
        raise UsageError(f"{location}: no run file here; give a run directory or its {RUN_FILE}")
    journals = sorted((path.parent / JOURNALS).glob("*.jsonl"))
    lines = [line for source in (path, *journals) for line in _read_lines(source)]
    headers = [line for line in lines if isinstance(line, Header)]
    if len(headers) != 1 or lines[0] is not headers[0]:
        raise UsageError(f"{path}: a run file starts with its one header, found {len(headers)}")
    return Run(
        header=headers[0],
        started=[line for line in lines if isinstance(line, Started)],
        records={(str(r.cell), r.requirement): r for r in lines if isinstance(r, Record)},
        footer=next((line for line in lines if isinstance(line, Footer)), None),
    )


def _read_lines(path: Path) -> Iterator[Line]:
    texts = path.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, text in enumerate(texts, start=1):
        is_torn = number == len(texts)  # a complete line ends with a newline
        if not text or is_torn:
            continue
        if number == 1 and '"schema_version"' in text:
            _refuse_other_schema(text, path)
        yield parse_line(text, source=f"{path}:{number}")


def _refuse_other_schema(text: str, path: Path) -> None:
    match = re.search(r'"schema_version":\s*(\d+)', text)
    if match and int(match[1]) != SCHEMA_VERSION:
        raise UsageError(
            f"{path}: run file of schema version {match[1]}, this harness reads {SCHEMA_VERSION}; "
            "read it with the harness that wrote it"
        )


def _refuse_other_types(line: Line | Worst | Failing) -> None:
    for name, kind in _FIELD_TYPES[type(line)].items():
        value = getattr(line, name)
        if not _is_of(value, kind):
            raise TypeError(f"{name} is {value!r:.80}, should be {kind}")
        if isinstance(value, (Worst, Failing)):
            _refuse_other_types(value)


def _field_types(cls: Any) -> Mapping[str, Any]:
    hints = get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls)}


_FIELD_TYPES: Mapping[type, Mapping[str, Any]] = {
    cls: _field_types(cls) for cls in (Header, Started, Record, Footer, Worst, Failing)
}


def _is_of(value: Any, kind: Any) -> bool:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if origin is UnionType:
        return any(_is_of(value, argument) for argument in arguments)
    if origin is Mapping:
        return isinstance(value, dict) and all(_is_of(v, arguments[1]) for v in value.values())
    if origin is list:
        return isinstance(value, list) and all(_is_of(item, arguments[0]) for item in value)
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    return isinstance(value, kind)


def _plain(value: Any) -> Any:
    """JSON's own types only; NaN and infinities as the strings that `float()` reads back."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(value) if isinstance(value, StrEnum) else value
