"""An update covers all failures, keeps entries of pairs without a verdict, and keeps people's text.

After an update, with reasons filled in, the same records are all as expected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from expectation_files_of_tests import entry

from harness.errors import UsageError
from harness.evidence.fixtures import TinyModel
from harness.matrix.expectation_checks import examine_expectations
from harness.matrix.expectation_update import Update
from harness.matrix.pairs import Box, Pair
from harness.records import Outcome, Record
from tests.matrix.expectation_updates import (
    MATRIX,
    PAIRS,
    REGISTRY,
    covered,
    fill_in,
    load,
    propose,
    record,
    run_of,
    write,
)

ROW = Box(
    models=frozenset({TinyModel("bert"), TinyModel("distilbert")}),
    tasks=frozenset({"fill-mask", "question-answering"}),
    opsets=frozenset({9, 10, 11}),
    exporters=frozenset({"torchscript"}),
    requirements=frozenset({"opset", "agreement"}),
)
KNOWN = entry(
    architecture="bert~, distilbert",
    task="fill-mask, question-answering",
    opsets="9..11",
    exporter="torchscript",
    requirement="opset, agreement",
    reason="it 'does' not",
)
COMMENTED = KNOWN.replace("[[expectation]]", "# Who knows why.\n[[expectation]] # one").replace(
    'opsets = "9..11"', 'opsets   =   "9..11"  # up to 11'
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "known.toml"


def endings_of(passed: Iterable[Pair], *, left_out: Iterable[Pair] = ()) -> list[Record]:
    """The records of `ROW`: the `passed` pairs passed, all others failed as expected."""
    fine, out = set(passed), set(left_out)
    return [
        record(pair, Outcome.XPASSED if pair in fine else Outcome.XFAILED)
        for pair in MATRIX.pairs(ROW)
        if pair not in out
    ]


def pairs_with(value: object) -> list[Pair]:
    return [pair for pair in MATRIX.pairs(ROW) if value in pair]


@pytest.mark.parametrize(
    ("value", "line", "narrowed"),
    [
        (9, 'opsets   =   "9..11"  # up to 11', 'opsets   =   "10..11"  # up to 11'),
        (10, 'opsets   =   "9..11"  # up to 11', 'opsets   =   "9,11"  # up to 11'),
        (TinyModel("bert"), '"bert~, distilbert"', '"distilbert"'),
        ("fill-mask", '"fill-mask, question-answering"', '"question-answering"'),
        ("opset", '"opset, agreement"', '"agreement"'),
    ],
    ids=str,
)
def test_an_item_of_which_everything_passed_is_taken_off_and_nothing_else_changes(
    path: Path, value: object, line: str, narrowed: str
) -> None:
    path.write_text(COMMENTED)
    update = propose(run_of(endings_of(pairs_with(value))), path)
    (file,) = update.files
    assert file.after == COMMENTED.rstrip().replace(line, narrowed) + "\n"
    (note,) = update.notes
    assert note.startswith("known.toml, entry 1: narrowed: of its pairs ")
    assert note.endswith(" passed")


def test_what_no_item_can_express_becomes_several_entries_with_the_same_reason(path: Path) -> None:
    path.write_text(COMMENTED)
    passed = pairs_with(9)[:1]
    update = propose(run_of(endings_of(passed)), path)
    write(update)
    known = load(path)
    assert covered(known) == set(MATRIX.pairs(ROW)) - set(passed)
    assert {one.reason for one in known.entries} == {"it 'does' not"}
    assert update.notes[0].startswith("known.toml, entry 1: split into ")


def test_an_entry_of_which_everything_passed_is_removed_with_its_comment(path: Path) -> None:
    other = entry(opsets="24")
    path.write_text(f"# Head.\n\n{COMMENTED}# Section.\n\n# Other.\n{other}")
    update = propose(run_of(endings_of(MATRIX.pairs(ROW))), path)
    assert update.files[0].after == f"# Head.\n\n# Section.\n\n# Other.\n{other.rstrip()}\n"
    assert update.notes == ("known.toml, entry 1: removed: of its pairs 24 passed",)


@pytest.mark.parametrize("outcome", [None, Outcome.NOT_RUN, Outcome.SKIPPED])
def test_what_a_run_did_not_judge_stays(path: Path, outcome: Outcome | None) -> None:
    path.write_text(KNOWN)
    left_out = pairs_with(TinyModel("distilbert"))
    records = endings_of(MATRIX.pairs(ROW), left_out=left_out)
    records += [record(pair, outcome) for pair in left_out if outcome]
    update = propose(run_of(records, is_complete=False), path)
    assert update.notes[0] == "this run was interrupted: what it did not judge stays as it is"
    write(update)
    assert covered(load(path)) == set(left_out)


def test_a_run_without_any_of_its_pairs_says_nothing_of_an_entry(path: Path) -> None:
    path.write_text(KNOWN)
    elsewhere = record(PAIRS[-1], Outcome.PASSED)
    assert propose(run_of([elsewhere]), path) == Update(files=(), notes=())


def test_an_entry_that_was_never_met_is_removed_and_said_to_be(path: Path) -> None:
    path.write_text(KNOWN)
    crashed = [record(pair, Outcome.CRASHED) for pair in MATRIX.pairs(ROW)]
    update = propose(run_of(crashed), path)
    assert "known.toml, entry 1: never met, removed: of its pairs 24 crashed" in update.notes
    write(update)
    path.write_text(fill_in(path.read_text()))
    assert {one.outcome for one in load(path).entries} == {Outcome.CRASHED}
    nowhere = [record(pair, Outcome.NOT_APPLICABLE) for pair in MATRIX.pairs(ROW)]
    path.write_text(KNOWN)
    (note,) = propose(run_of(nowhere), path).notes
    assert note == "known.toml, entry 1: never met, removed: none of its pairs is applicable"


def test_what_covers_nothing_any_more_is_taken_off_too(path: Path) -> None:
    both = {"architecture": "bert,vit", "task": "fill-mask,image-classification"}
    path.write_text(entry(**both))
    (known,) = examine_expectations((path,), REGISTRY).known
    pairs = MATRIX.pairs(known.expectation.box)
    passed = [record(pair, Outcome.XPASSED) for pair in pairs if pair.task != "fill-mask"]
    write(propose(run_of(passed), path))
    assert path.read_text() == entry().rstrip() + "\n"
    assert {pair.model.architecture for pair in covered(load(path))} == {"bert"}


@pytest.mark.parametrize(("versions", "is_kept"), [(None, False), ({"pytest": ">=1"}, True)])
def test_what_an_entry_before_it_settles_does_not_keep_an_entry(
    path: Path, versions: Mapping[str, str] | None, is_kept: bool
) -> None:
    first = entry(opsets="9", exporter="dynamo", **({"versions": versions} if versions else {}))
    second = entry(opsets="9..10", exporter="dynamo", reason="another", outcome="crashed")
    path.write_text(first + second)
    at = {pair.opset: pair for pair in PAIRS if pair.task == "fill-mask" and pair[3] == "dynamo"}
    pairs = [at[opset]._replace(model=TinyModel("bert"), requirement="agreement") for opset in at]
    failed, passed = record(pairs[0], Outcome.XFAILED), record(pairs[1], Outcome.XPASSED)
    others = [
        replace(one, cell=replace(one.cell, variant=variant))
        for one in (failed, passed)
        for variant in ("tall", "wide")
    ]
    write(propose(run_of([failed, passed, *others]), path))
    assert ("another" in path.read_text()) is is_kept
    assert {pair.opset for pair in covered(load(path))} == {9}


def test_versions_of_the_run_decide_which_entries_held(path: Path) -> None:
    path.write_text(KNOWN + 'versions = { torch = "<2" }\n')
    records = endings_of(MATRIX.pairs(ROW))
    assert not propose(run_of(records, torch="2.1"), path).files
    assert propose(run_of(records, torch="1.9"), path).files


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (ROW._replace(requirements=frozenset({"opset"})), [("bert~,distilbert", "9..11")]),
        (
            ROW._replace(
                models=frozenset(REGISTRY.models[:4]),
                tasks=frozenset(REGISTRY.all_tasks),
                opsets=frozenset({9, 11}),
            ),
            [("bert,distilbert", "9,11")],
        ),
    ],
)
def test_failures_of_one_cause_become_one_readable_entry(
    path: Path, wanted: Box, expected: list[tuple[str, str]]
) -> None:
    path.touch()
    records = [
        record(pair, Outcome.FAILED)
        for pair in MATRIX.pairs(wanted._replace(requirements=frozenset({"opset"})))
    ]
    write(propose(run_of(records), path))
    with pytest.raises(UsageError, match="entry 1: reason is not written yet"):
        load(path)
    examined = examine_expectations((path,), REGISTRY)
    assert len(examined.problems) == 2 * len(expected)  # reasons and issues
    path.write_text(fill_in(path.read_text()))
    found = [
        (one.written.entry.architecture, one.written.entry.opsets)
        for one in examine_expectations((path,), REGISTRY).known
    ]
    assert found == expected


def test_every_task_reads_as_a_star(path: Path) -> None:
    path.touch()
    wanted = ROW._replace(tasks=frozenset(REGISTRY.all_tasks), requirements=frozenset({"opset"}))
    records = [record(pair, Outcome.FAILED) for pair in MATRIX.pairs(wanted)]
    (file,) = propose(run_of(records), path).files
    assert 'architecture = "bert~,distilbert"\ntask = "*"\nopsets = "9..11"\n' in file.after


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 1),
        ({"message": "opset: got 3, expected 2 [bert/x, seed=4]"}, 1),
        ({"message": "opset: the graph has no output"}, 2),
        ({"blame": "onnxruntime"}, 2),
        ({"outcome": Outcome.CRASHED}, 2),
    ],
)
def test_failures_of_other_causes_become_other_entries(
    path: Path, changes: Mapping[str, object], count: int
) -> None:
    path.touch()
    first, second = (p for p in pairs_with("opset") if p.opset == 9 and p.task == "fill-mask")
    records = [
        record(first, Outcome.FAILED, blame="exporter"),
        replace(record(second, Outcome.FAILED, blame="exporter"), **changes),  # type: ignore[arg-type]
    ]
    (file,) = propose(run_of(records), path).files
    assert file.after.count("[[expectation]]") == count


@pytest.mark.parametrize(
    ("outcome", "blame", "layer"),
    [
        (Outcome.FAILED, "onnxruntime", "onnxruntime"),
        (Outcome.FAILED, "30 1234", "exporter"),
        (Outcome.CRASHED, None, "exporter"),
        (Outcome.ERRORED, None, "harness"),
    ],
)
def test_the_layer_is_the_one_that_is_blamed(
    path: Path, outcome: Outcome, blame: str | None, layer: str
) -> None:
    path.touch()
    (file,) = propose(run_of([record(PAIRS[0], outcome, blame=blame)]), path).files
    assert f'layer = "{layer}"' in file.after
    assert (f'outcome = "{outcome}"' in file.after) is (outcome is not Outcome.FAILED)


def test_a_message_stands_above_its_entry_in_one_printable_line(path: Path) -> None:
    path.touch()
    message = 'a "b" \x00\x1b[31m\N{LINE SEPARATOR}# c\nsecond'
    (file,) = propose(run_of([record(PAIRS[0], Outcome.FAILED, message=message)]), path).files
    assert '# a "b" [31m\n[[expectation]]\n' in file.after


def test_failures_outside_the_full_matrix_are_reported_and_not_proposed(path: Path) -> None:
    path.touch()
    beyond = PAIRS[0]._replace(opset=26)
    update = propose(run_of([record(beyond, Outcome.FAILED)]), path)
    assert not update.files
    (note,) = update.notes
    assert note.startswith("1 pairs are not planned by the nightly")
    assert "bert/feature-extraction/opset26/dynamo export" in note


def test_failures_that_only_entries_of_another_day_expected_are_reported(path: Path) -> None:
    path.touch()
    update = propose(run_of([record(PAIRS[0], Outcome.XFAILED)]), path)
    assert not update.files
    assert "ended as entries said that are no more; run these again" in update.notes[0]


def test_entries_that_do_not_stand_under_lines_of_their_own_are_not_edited(path: Path) -> None:
    values = KNOWN.replace("[[expectation]]\n", "").strip().replace("\n", ", ")
    path.write_text(f"expectation = [{{ {values} }}]\n")
    with pytest.raises(UsageError, match="cannot be edited, since 1 entries stand under 0 lines"):
        propose(run_of(endings_of(pairs_with(9))), path)
