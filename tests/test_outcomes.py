"""The result of a run: its worst outcome, whether it is green, and which cells conform."""

from __future__ import annotations

from itertools import pairwise

import pytest

from harness.records import (
    CellId,
    CellReport,
    Outcome,
    Record,
    is_expected,
    is_green,
    make_footer,
    roll_up,
)

CELL = CellId.parse("bert/fill-mask/opset18/dynamo")
EXPORTED = Record(cell=CELL, requirement="export", outcome=Outcome.PASSED)

WORST_FIRST = [
    Outcome.CRASHED,
    Outcome.TIMED_OUT,
    Outcome.ERRORED,
    Outcome.FAILED,
    Outcome.XPASSED,
    Outcome.INCONCLUSIVE,
    Outcome.NOT_RUN,
    Outcome.XFAILED,
    Outcome.PASSED,
    Outcome.NOT_APPLICABLE,
]


@pytest.mark.parametrize(("worse", "better"), list(pairwise(WORST_FIRST)))
def test_the_worse_outcome_wins(worse: Outcome, better: Outcome) -> None:
    assert roll_up([better, worse]) is roll_up([worse, better]) is worse


def test_no_records_roll_up_to_not_run() -> None:
    assert roll_up([]) is Outcome.NOT_RUN


def test_a_skip_hides_neither_the_failure_before_it_nor_itself() -> None:
    assert roll_up([Outcome.FAILED, Outcome.SKIPPED]) is Outcome.FAILED
    assert roll_up([Outcome.PASSED, Outcome.SKIPPED]) is Outcome.SKIPPED


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([Outcome.PASSED], True),
        ([Outcome.PASSED, Outcome.NOT_APPLICABLE], True),
        ([Outcome.PASSED, Outcome.XFAILED, Outcome.SKIPPED], True),
        ([Outcome.PASSED, Outcome.SKIPPED], False),
        ([Outcome.FAILED, Outcome.SKIPPED], False),
        ([Outcome.XFAILED, Outcome.FAILED], False),
        ([Outcome.XPASSED], False),
        ([Outcome.INCONCLUSIVE], False),
        ([Outcome.NOT_RUN], False),
        ([], False),
    ],
)
def test_a_run_stays_green_with_expected_outcomes_only(
    outcomes: list[Outcome], expected: bool
) -> None:
    assert is_expected(outcomes) is expected


@pytest.mark.parametrize(
    ("outcomes", "conforms"),
    [
        ([Outcome.PASSED, Outcome.NOT_APPLICABLE], True),
        ([Outcome.NOT_APPLICABLE], False),
        ([Outcome.PASSED, Outcome.XFAILED], False),
        ([Outcome.PASSED, Outcome.INCONCLUSIVE], False),
        ([], False),
    ],
)
def test_a_cell_conforms_if_every_applicable_record_passed(
    outcomes: list[Outcome], conforms: bool
) -> None:
    records = tuple(
        Record(cell=CELL, requirement=f"r{index}", outcome=outcome)
        for index, outcome in enumerate(outcomes)
    )
    assert CellReport(CELL, records).conforms is conforms


def report(*outcomes: Outcome) -> CellReport:
    return CellReport(
        CELL,
        tuple(
            Record(cell=CELL, requirement=f"r{index}", outcome=outcome, message=f"m{index}\nmore")
            for index, outcome in enumerate(outcomes)
        ),
    )


def test_the_worst_record_of_a_cell_is_the_first_with_its_outcome() -> None:
    cell = report(Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED, Outcome.FAILED)
    assert (cell.worst.requirement, cell.worst.headline) == ("r1", "m1")


def test_a_record_without_message_still_has_a_headline() -> None:
    assert EXPORTED.headline == "export: no message"


def test_a_run_with_cells_is_green_if_every_outcome_is_expected() -> None:
    assert is_green([report(Outcome.PASSED), report(Outcome.XFAILED, Outcome.SKIPPED)])
    assert not is_green([report(Outcome.PASSED), report(Outcome.NOT_RUN)])
    assert not is_green([])


def test_a_footer_counts_records_from_worst_to_best() -> None:
    footer = make_footer([report(Outcome.PASSED, Outcome.FAILED, Outcome.PASSED)], exit_status=1)
    assert list(footer.counts.items()) == [("failed", 1), ("passed", 2)]
    assert (footer.exit_status, footer.complete) == (1, True)
    assert not make_footer([report(Outcome.NOT_RUN)], exit_status=1).complete
