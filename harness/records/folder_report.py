"""The verdicts on all variants in a folder, and what was not judged there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.records.cell_report import CellReport
from harness.records.json_types import to_plain

FOLDER_SCHEMA_VERSION = 3
"""Version of the JSON that `check` prints for a folder with several variants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedVariant:
    """The verdict on one variant of a folder.

    `name` is the suffix of its files, empty for plain ones; `files` are relative to the folder,
    `bytes` are on disk. `plain_parts` are parts without a file of that suffix, which use the plain
    one.
    """

    name: str
    files: tuple[str, ...]
    bytes: int
    plain_parts: tuple[str, ...]
    seconds: float
    report: CellReport

    @property
    def error_ratio(self) -> float | None:
        """The largest error ratio of all records; None if nothing was compared."""
        found = [r.worst.error_ratio for r in self.report.records if r.worst is not None]
        return max(found, default=None)

    def to_json(self) -> dict[str, Any]:
        report = self.report.to_json()
        del report["schema_version"]
        return {
            "name": self.name,
            "files": list(self.files),
            "bytes": self.bytes,
            "plain_parts": list(self.plain_parts),
            "seconds": round(self.seconds, 3),
            **report,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class NotJudged:
    """A variant, or a file of no variant (`name` is None), without a verdict, and the reason."""

    name: str | None
    files: tuple[str, ...]
    bytes: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderReport:
    """The verdicts on the variants of a folder. `is_complete` is false if judging was stopped."""

    folder: str
    judged: tuple[JudgedVariant, ...]
    not_judged: tuple[NotJudged, ...]
    is_complete: bool = True

    @property
    def conforms(self) -> bool:
        """Whether a variant was judged, each judged one conforms, and judging was not stopped."""
        conform = all(one.report.conforms for one in self.judged)
        return bool(self.judged) and conform and self.is_complete

    def to_json(self) -> dict[str, Any]:
        """Return the JSON that `check --json` prints; its schema: `schemas/check.schema.json`."""
        return {
            "schema_version": FOLDER_SCHEMA_VERSION,
            "conforms": self.conforms,
            "folder": self.folder,
            "variants": [one.to_json() for one in self.judged],
            "not_judged": to_plain(self.not_judged),
        }
