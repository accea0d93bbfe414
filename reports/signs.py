"""How reports show each outcome: a glyph, a letter and a meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.records import GLYPHS, Outcome


@dataclass(frozen=True, slots=True)
class Sign:
    """How one outcome is shown.

    Glyphs and letters are unique, so that colour is never the only difference. The letters of
    xfailed and xpassed are pytest's.
    """

    name: str
    glyph: str
    letter: str
    meaning: str

    @property
    def css(self) -> str:
        """The CSS class of the outcome; short, because a matrix has thousands of squares."""
        return f"o{self.letter}"

    @property
    def label(self) -> str:
        """The outcome's name with spaces, as in the documentation."""
        return self.name.replace("_", " ")


def _sign(outcome: Outcome, letter: str, meaning: str) -> tuple[Outcome, Sign]:
    return outcome, Sign(str(outcome), GLYPHS[outcome], letter, meaning)


SIGNS: Mapping[Outcome, Sign] = dict(
    (
        _sign(Outcome.CRASHED, "C", "the process died while it judged this cell"),
        _sign(Outcome.TIMED_OUT, "T", "no verdict within the time limit"),
        _sign(Outcome.ERRORED, "E", "an error in the harness, not in the model or the file"),
        _sign(Outcome.FAILED, "F", "a requirement is violated"),
        _sign(Outcome.XPASSED, "X", "passed, but a failure was expected"),
        _sign(Outcome.INCONCLUSIVE, "I", "the check could not have failed here: nothing is proved"),
        _sign(Outcome.NOT_RUN, "R", "planned, but without a verdict"),
        _sign(Outcome.XFAILED, "x", "failed as expected: a known, declared failure"),
        _sign(Outcome.SKIPPED, "S", "not judged, because an earlier requirement failed"),
        _sign(Outcome.PASSED, "P", "the requirement is satisfied"),
        _sign(Outcome.NOT_APPLICABLE, "N", "the requirement or the exporter does not apply here"),
    )
)
