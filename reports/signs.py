"""How an outcome looks in reports: its glyph, one letter and one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.records import GLYPHS, Outcome


@dataclass(frozen=True, slots=True)
class Sign:
    """The face of an outcome.

    Colour is never the only difference: glyphs and letters are distinct, too. The letters of
    expected failures and unexpected passes are pytest's.
    """

    name: str
    glyph: str
    letter: str
    meaning: str

    @property
    def css(self) -> str:
        """The class of elements that show it; short, since a matrix has thousands of them."""
        return f"o{self.letter}"

    @property
    def label(self) -> str:
        """The outcome in words, as the documentation writes it."""
        return self.name.replace("_", " ")


def _sign(outcome: Outcome, letter: str, meaning: str) -> tuple[Outcome, Sign]:
    return outcome, Sign(str(outcome), GLYPHS[outcome], letter, meaning)


SIGNS: Mapping[Outcome, Sign] = dict(
    (
        _sign(Outcome.CRASHED, "C", "the process died on this cell"),
        _sign(Outcome.TIMED_OUT, "T", "no verdict within the time limit"),
        _sign(Outcome.ERRORED, "E", "a defect of the harness, not of the model"),
        _sign(Outcome.FAILED, "F", "a requirement is violated"),
        _sign(Outcome.XPASSED, "X", "passed although a failure is expected"),
        _sign(Outcome.INCONCLUSIVE, "I", "the check could not have failed here"),
        _sign(Outcome.NOT_RUN, "R", "planned, but there is no verdict"),
        _sign(Outcome.XFAILED, "x", "failed as an expectation declares"),
        _sign(Outcome.SKIPPED, "S", "an earlier requirement failed"),
        _sign(Outcome.PASSED, "P", "judged and satisfied"),
        _sign(Outcome.NOT_APPLICABLE, "N", "the requirement or exporter does not apply"),
    )
)
