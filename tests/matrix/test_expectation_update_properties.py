"""For any run, an update makes all records expected and keeps pairs without a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from harness.matrix.expectations import Pair
from harness.records import Outcome, Record
from tests.matrix.expectation_updates import (
    BAD,
    PAIRS,
    UNJUDGED,
    apply,
    fill_in,
    load,
    propose,
    record,
    run_of,
    write,
)

PROPERTY = settings(max_examples=40, deadline=None, phases=set(Phase) - {Phase.explain})
MESSAGES = (
    "export: got ValueError: no Pad",
    "export: got ValueError: no Pad before opset 11",
    "opset: got 18, expected 17",
    "values of logits: got max_abs_diff 0.5, expected at most atol 1e-05 [{cell}]",
    "77",
)

Ending = tuple[Outcome | None, str]
ENDINGS = st.one_of(
    st.tuples(st.sampled_from(BAD), st.sampled_from(MESSAGES)),
    st.tuples(
        st.sampled_from([Outcome.PASSED, Outcome.NOT_APPLICABLE, *UNJUDGED, None]), st.just("")
    ),
)
RUNS = st.dictionaries(st.sampled_from(PAIRS), ENDINGS, max_size=60)


def records_of(ended: Mapping[Pair, Ending]) -> list[Record]:
    return [
        record(pair, outcome, message=message.format(cell=pair[0]))
        for pair, (outcome, message) in ended.items()
        if outcome
    ]


@PROPERTY
@given(first=RUNS, second=RUNS, is_complete=st.booleans())
def test_after_an_update_the_same_records_are_expected(
    first: Mapping[Pair, Ending], second: Mapping[Pair, Ending], is_complete: bool
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        write(propose(run_of(records_of(first)), folder))
        fill_in(folder)
        before = load(folder)
        failing = {pair for pair, (outcome, _) in first.items() if outcome in BAD}
        assert set(before.listed) == failing

        raw = records_of(second)
        write(propose(run_of(apply(before, raw), is_complete=is_complete), folder))
        fill_in(folder)
        after = load(folder)
        results = list(zip(raw, apply(after, raw), strict=True))
        assert Outcome.XPASSED not in {result.outcome for _, result in results}
        open_ = {pair_of(one) for one, result in results if result.outcome in BAD}
        for one in (one for one in raw if pair_of(one) in open_):
            assert any(known.has_message_of(one) for known in before.listed.values())
            assert not any(known.is_met_by(one) for known in before.listed.values())
        judged = {p for p, (o, _) in second.items() if o and o not in UNJUDGED}
        failing = {pair for pair, (outcome, _) in second.items() if outcome in BAD}
        assert set(after.listed) == (failing - open_) | (set(before.listed) - judged)
        assert open_ or not propose(run_of(apply(after, raw)), folder).files


def pair_of(one: Record) -> Pair:
    return str(one.cell), one.requirement
