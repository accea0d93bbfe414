"""For any run, the update covers all failures and keeps the entries of pairs without a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from expectation_files_of_tests import entry
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from harness.matrix.expectation_checks import examine_expectations
from harness.matrix.grouping import describe, group_pairs
from harness.matrix.pairs import Box, Pair
from harness.records import Outcome
from tests.matrix.expectation_updates import (
    BAD,
    MATRIX,
    PAIRS,
    REGISTRY,
    UNJUDGED,
    apply,
    covered,
    fill_in,
    load,
    propose,
    record,
    run_of,
    write,
)

# The `explain` phase would run for minutes and says little about boxes.
PROPERTY = settings(max_examples=40, deadline=None, phases=set(Phase) - {Phase.explain})


def box_strategy() -> st.SearchStrategy[Box]:
    def some(values: Sequence[object], size: int) -> st.SearchStrategy[frozenset[object]]:
        return st.frozensets(st.sampled_from(values), min_size=1, max_size=size)

    opsets = st.tuples(st.integers(9, 25), st.integers(0, 4)).map(
        lambda span: frozenset(range(span[0], min(sum(span), 25) + 1))
    )
    return st.builds(
        Box,
        models=some(REGISTRY.models, 4),
        tasks=some(REGISTRY.all_tasks, 4),
        opsets=opsets,
        exporters=some(REGISTRY.exporters, 2),
        requirements=some(REGISTRY.requirements, 2),
    )


Ending = tuple[Outcome | None, str | None]
ENDINGS = st.sampled_from(
    [
        *((outcome, "exporter") for outcome in BAD),
        (Outcome.FAILED, "onnxruntime"),
        (Outcome.PASSED, None),
        (Outcome.NOT_APPLICABLE, None),
        *((outcome, None) for outcome in UNJUDGED),
        (None, None),
    ]
)


Patches = list[tuple[Box, Ending]]
PATCHES = st.lists(st.tuples(box_strategy(), ENDINGS), max_size=6)


def lay(patches: Patches, everywhere: Ending) -> Mapping[Pair, Ending]:
    """Return how each pair ended; None if the run has no record of it."""
    ended = dict.fromkeys(PAIRS, everywhere)
    for box, ending in patches:
        ended.update(dict.fromkeys(MATRIX.pairs(box), ending))
    return ended


ENTRIES = st.lists(st.tuples(box_strategy(), st.sampled_from(BAD)), max_size=4)


def written(entries: Sequence[tuple[Box, Outcome]], path: Path) -> None:
    """Write the entries to a file, except entries that would make it invalid."""
    path.write_text("# Kept.\n")
    for number, (box, outcome) in enumerate(entries):
        before = path.read_text()
        if any(MATRIX.pairs(box)):
            texts = describe(group_pairs(list(MATRIX.pairs(box)), MATRIX)[0], MATRIX)
            added = entry(**texts, outcome=str(outcome), reason=f"reason {number}")
            path.write_text(f"{before}\n# comment {number}\n{added}")
        if examine_expectations((path,), REGISTRY).problems:
            path.write_text(before)


@PROPERTY
@given(pairs=st.lists(box_strategy(), max_size=5))
def test_boxes_cover_exactly_their_pairs_once(pairs: list[Box]) -> None:
    wanted = {pair for box in pairs for pair in MATRIX.pairs(box)}
    boxes = group_pairs(list(wanted), MATRIX)
    found = [pair for box in boxes for pair in MATRIX.pairs(box)]
    assert sorted(found) == sorted(wanted)


@PROPERTY
@given(patches=PATCHES, everywhere=ENDINGS)
def test_proposed_entries_cover_exactly_the_failures(patches: Patches, everywhere: Ending) -> None:
    ended = lay(patches, everywhere)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "known.toml"
        path.touch()
        records = [record(pair, o, blame=b) for pair, (o, b) in ended.items() if o]
        write(propose(run_of(records), path))
        path.write_text(fill_in(path.read_text()))
        known = load(path)
        failures = {pair for pair, (outcome, _) in ended.items() if outcome in BAD}
        assert covered(known) == failures
        for one in apply(known, records):
            assert one.outcome not in BAD
            assert one.outcome is not Outcome.XPASSED


@PROPERTY
@given(patches=PATCHES, everywhere=ENDINGS, entries=ENTRIES, is_complete=st.booleans())
def test_after_an_update_the_same_records_are_expected(
    patches: Patches,
    everywhere: Ending,
    entries: list[tuple[Box, Outcome]],
    is_complete: bool,
) -> None:
    ended = lay(patches, everywhere)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "known.toml"
        written(entries, path)
        before = load(path)
        raw = [record(pair, o, blame=b) for pair, (o, b) in ended.items() if o]
        run = run_of(apply(before, raw), is_complete=is_complete)
        write(propose(run, path))
        path.write_text(fill_in(path.read_text()))
        after = load(path)
        for one in apply(after, raw):
            assert one.outcome not in {*BAD, Outcome.XPASSED}
        unjudged = {pair for pair, (o, _) in ended.items() if o is None or o in UNJUDGED}
        assert covered(after) & unjudged == covered(before) & unjudged
        assert covered(after) <= covered(before) | {p for p, (o, _) in ended.items() if o in BAD}
        again = propose(run_of(apply(after, raw), is_complete=is_complete), path)
        assert not again.files
        assert path.read_text().startswith("# Kept.\n")
