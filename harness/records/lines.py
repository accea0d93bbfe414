"""The lines of a run file as values: cells, records, header and footer."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from harness.errors import UsageError
from harness.records.interface import PartInterface
from harness.records.json_types import to_plain
from harness.records.outcomes import Outcome

SCHEMA_VERSION = 2
"""Version of the run files that are written."""
READABLE_VERSIONS = (1, SCHEMA_VERSION)
"""Versions of the run files that can be read. Version 1 has no `bounds` and no `unreached`."""
TRACEBACK_LIMIT = 4096
_LEFT_OUT_IF_EMPTY = frozenset(
    {"reused", "interface", "bounds", "unreached", "tolerance", "tolerance_origin"}
)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class CellId:
    """Id of one cell: architecture x task x opset x exporter.

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
        """Parse a cell id; raises UsageError if `text` has another form."""
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
    """The example and output with the largest error ratio of a record."""

    output: str
    max_abs_diff: float
    atol: float
    error_ratio: float
    axes: Mapping[str, int]
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingExample:
    """The smallest failing example that was found: axis sizes and the seed of its values."""

    axes: Mapping[str, int]
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreached:
    """A landmark of the model's domain that no example of a record reached.

    `landmark` is the text of an axis expression, such as `past_sequence_length + sequence_length`.
    `bound` is its stated value, `reached` the largest value that ran, and `needs` says what an
    example at the bound would need, such as `17.2 GB`.
    """

    landmark: str
    bound: int
    reached: int
    needs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The verdict on one (cell, requirement) pair.

    `reused` is the name of the earlier run that the record was copied from. `interface` maps each
    part to its inputs and outputs, if the requirement checks them. `covered` maps each axis to the
    sizes that ran, and each axis expression that the model bounds to its values. `bounds` maps the
    axes and expressions that the model bounds to the largest size that it states. `unreached` lists
    the landmarks that no example reached, since that would need too much memory or time.
    `tolerance` is the atol of each output that was compared, and `tolerance_origin` says where
    these numbers come from.
    """

    cell: CellId
    requirement: str
    outcome: Outcome
    seconds: float = 0.0
    part: str | None = None
    examples: int = 0
    covered: Mapping[str, list[int]] = field(default_factory=dict)
    worst: Worst | None = None
    needed_atol: Mapping[str, float] = field(default_factory=dict)
    tolerance: Mapping[str, float] = field(default_factory=dict)
    tolerance_origin: str | None = None
    failing: FailingExample | None = None
    message: str = ""
    traceback: str | None = None
    expectation: Mapping[str, Any] | None = None
    replay: str | None = None
    blame: str | None = None
    reused: str | None = None
    interface: Mapping[str, PartInterface] = field(default_factory=dict)
    bounds: Mapping[str, int] = field(default_factory=dict)
    unreached: tuple[Unreached, ...] = ()

    @property
    def headline(self) -> str:
        """The first line of the message."""
        return next(iter(self.message.splitlines()), "") or f"{self.requirement}: no message"

    def to_json(self) -> dict[str, Any]:
        cell = self.cell
        data = {
            "type": "record",
            "cell": str(cell),
            "library": cell.library,
            "architecture": cell.architecture,
            "task": cell.task,
            "opset": cell.opset,
            "exporter": cell.exporter,
            **{name: one for name, one in to_plain(self).items() if name != "traceback"},
            "traceback": self.traceback[-TRACEBACK_LIMIT:] if self.traceback else None,
        }
        return {k: v for k, v in data.items() if v or k not in _LEFT_OUT_IF_EMPTY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A process started a cell; if no records follow, the process died during that cell."""

    cell: CellId
    process: str
    time: str

    def to_json(self) -> dict[str, Any]:
        return {"type": "started", **to_plain(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """The explanation of a requirement: readers of a run file do not have its code."""

    proves: str
    fails_when: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunShard:
    """The share of a plan that a run judges: `index` of `count`; the whole plan has `cells`."""

    index: int
    count: int
    cells: int

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise ValueError(f"shard {self.index}/{self.count}: the first is 1, the last the count")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first line of a run file: the origin of the run and its plan.

    `started`: an ISO 8601 time in UTC.
    `planned`: cell id -> its requirements.
    `modalities`: architecture -> `text`, `vision`, ...
    `requirements`: planned requirement -> its explanation, in ladder order; empty in older files.
    `max_examples`: the number of drawn examples per cell, in addition to the corners.
    `shard`: None if the run judges the whole plan.
    `not_registered`: architecture of transformers -> its tasks without a registered description.
    """

    run: str
    started: str
    versions: Mapping[str, str]
    platform: str
    profile: str
    seed: int
    planned: Mapping[str, list[str]]
    modalities: Mapping[str, str]
    requirements: Mapping[str, Meaning] = field(default_factory=dict)
    max_examples: int | None = None
    shard: RunShard | None = None
    not_registered: Mapping[str, list[str]] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> dict[str, Any]:
        data = {"type": "header", **dataclasses.asdict(self)}
        return {k: v for k, v in data.items() if v or k not in {"shard", "not_registered"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """The last line of a run that was not interrupted.

    `ended` is an ISO 8601 time in UTC; None in older files.
    """

    counts: Mapping[str, int]
    exit_status: int
    complete: bool
    ended: str | None = None

    def to_json(self) -> dict[str, Any]:
        data = {"type": "footer", **dataclasses.asdict(self)}
        if self.ended is None:
            del data["ended"]
        return data


Line = Header | Started | Record | Footer
