"""Read a survey: how far `scaffold --report` gets with tasks that no description declares."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UsageError

STAGES = {
    "described": "scaffold writes a description without a question",
    "complete": "a tiny model runs and reacts, with an axis, a cache or an input open",
    "reacts": "a tiny model runs and reacts, with a question open",
    "runs": "a tiny model runs",
    "builds": "a tiny model builds",
    "nothing": "no tiny model builds",
}
"""Stage of a survey -> what the page says, the furthest stage first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far inference gets with one task; `reason` says why no further, or is empty."""

    stage: str
    reason: str

    def __str__(self) -> str:
        text = STAGES[self.stage]
        return f"{text}; {self.reason}" if self.reason else text


@dataclass(frozen=True, slots=True)
class Survey:
    """Progress by (architecture, task)."""

    found: Mapping[tuple[str, str], Progress]

    def progress(self, architecture: str, task: str) -> Progress | None:
        """Return how far inference gets; None if the survey has no line for the task."""
        return self.found.get((architecture, task))

    def counts(self, pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, int], ...]:
        """Return (what the page says, number of pairs) for each stage that one of them reaches."""
        known = (self.found[pair].stage for pair in pairs if pair in self.found)
        counted = Counter(known)
        return tuple((text, counted[name]) for name, text in STAGES.items() if counted[name])


NO_SURVEY = Survey({})


def read_survey(path: Path) -> Survey:
    """Read the lines of `scaffold --report FILE`. A last line without an end is ignored.

    Raises UsageError if the file cannot be read or is no survey.
    """
    try:
        whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
        found = dict(_entry(json.loads(line)) for line in whole.splitlines())
    except OSError as error:
        raise UsageError(
            f"survey {path}: cannot be read ({error.strerror}); "
            "give the file of `scaffold --report`"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"survey {path}: got a line that is no line of `scaffold --report`; "
            "write the file again"
        ) from error
    return Survey(found)


def _entry(line: Any) -> tuple[tuple[str, str], Progress]:
    names = line["architecture"], line["task"]
    progress = Progress(stage=line["stage"], reason=line.get("reason", ""))
    if progress.stage not in STAGES or not all(
        isinstance(text, str) for text in (*names, progress.reason)
    ):
        raise ValueError(line)
    return names, progress
