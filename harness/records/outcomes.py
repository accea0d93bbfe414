"""Outcomes of a (cell, requirement) pair, and the roll-up of many outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Outcome(StrEnum):
    """Outcome of one (cell, requirement) pair; the members are ordered from worst to best."""

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


GLYPHS: Mapping[Outcome, str] = {
    Outcome.CRASHED: "▼",
    Outcome.TIMED_OUT: "◷",
    Outcome.ERRORED: "!",
    Outcome.FAILED: "✗",
    Outcome.XPASSED: "▲",
    Outcome.INCONCLUSIVE: "?",
    Outcome.NOT_RUN: "○",
    Outcome.XFAILED: "≈",
    Outcome.SKIPPED: "»",
    Outcome.PASSED: "✓",
    Outcome.NOT_APPLICABLE: "\N{EN DASH}",
}
"""One character per outcome, the same on the command line and in reports."""

SEVERITY: Mapping[Outcome, int] = {outcome: rank for rank, outcome in enumerate(Outcome)}
EXPECTED_OUTCOMES = frozenset({Outcome.PASSED, Outcome.XFAILED, Outcome.NOT_APPLICABLE})
CONFORMING_OUTCOMES = frozenset({Outcome.PASSED, Outcome.NOT_APPLICABLE})


def roll_up(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst outcome; `not_run` if `outcomes` is empty."""
    return min(outcomes, key=SEVERITY.__getitem__, default=Outcome.NOT_RUN)


def is_expected(outcomes: Iterable[Outcome]) -> bool:
    """Whether a cell with these outcomes keeps a run green.

    `skipped` is expected only if the cell also has an `xfailed`, which caused the skip.
    """
    found = set(outcomes)
    allowed = EXPECTED_OUTCOMES | ({Outcome.SKIPPED} if Outcome.XFAILED in found else set())
    return bool(found) and found <= allowed
