"""An update covers what failed, leaves what was not judged, and keeps what people wrote.

After an update, with reasons filled in, the same records are all as expected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from expectation_files_of_tests import entry
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from harness import ViTOnnxConfig, register
from harness.errors import UsageError
from harness.evidence.fixtures import TinyModel
from harness.matrix.expectation_checks import examine_expectations, load_expectations
from harness.matrix.expectation_update import Update, propose_update, versions_of
from harness.matrix.expectations import EXPECTABLE_OUTCOMES, UNWRITTEN, Expectations
from harness.matrix.grouping import describe, group_pairs
from harness.matrix.pairs import Box, Matrix, Pair
from harness.matrix.registry import Registry
from harness.records import CellId, Footer, Outcome, Record, Run
from tests.small_runs import header_of

REGISTRY = Registry(
    tasks={
        TinyModel("bert"): ("feature-extraction", "fill-mask", "question-answering"),
        TinyModel("bert", "tall"): ("fill-mask",),
        TinyModel("bert", "wide"): ("feature-extraction", "fill-mask", "question-answering"),
        TinyModel("distilbert"): ("feature-extraction", "fill-mask", "question-answering"),
        TinyModel("vit"): ("feature-extraction", "image-classification"),
        TinyModel("vit", "deep"): ("image-classification",),
    },
    exporters=("dynamo", "torchscript"),
    requirements=("export", "opset", "agreement"),
)
MATRIX = Matrix(REGISTRY)
PAIRS = list(
    MATRIX.pairs(
        Box(
            models=frozenset(REGISTRY.models),
            tasks=frozenset(REGISTRY.all_tasks),
            opsets=frozenset(MATRIX.opsets),
            exporters=frozenset(REGISTRY.exporters),
            requirements=frozenset(REGISTRY.requirements),
        )
    )
)
BAD = list(EXPECTABLE_OUTCOMES)
# Explaining a failure would run for minutes, and says little of boxes.
PROPERTY = settings(max_examples=40, deadline=None, phases=set(Phase) - {Phase.explain})
UNJUDGED = (Outcome.SKIPPED, Outcome.NOT_RUN)


def record(pair: Pair, outcome: Outcome, *, message: str = "", blame: str | None = None) -> Record:
    model, task, opset, exporter, requirement = pair
    cell = CellId(
        architecture=model.architecture,
        variant=model.variant,
        task=task,
        opset=opset,
        exporter=exporter,
    )
    text = message or f"{requirement}: got {opset}, expected 2 [{cell}]\nsecond line"
    return Record(cell=cell, requirement=requirement, outcome=outcome, message=text, blame=blame)


def run_of(records: Iterable[Record], *, is_complete: bool = True, **versions: str) -> Run:
    found = {(str(one.cell), one.requirement): one for one in records}
    header = header_of(versions=versions)
    footer = Footer(counts={}, exit_status=1, complete=True) if is_complete else None
    return Run(header=header, started=[], records=found, footer=footer)


def propose(run: Run, path: Path) -> Update:
    examined = examine_expectations((path,), REGISTRY, version_of=versions_of(run))
    return propose_update(run, examined.require_sound(), MATRIX, home=lambda _: path)


def fill_in(text: str) -> str:
    text = text.replace(f'issue = "{UNWRITTEN}"', 'issue = "https://example.org/2"')
    return text.replace(f'reason = "{UNWRITTEN}"', 'reason = "understood"')


def write(update: Update) -> None:
    for file in update.files:
        file.path.write_text(file.after, encoding="utf-8")


def load(path: Path) -> Expectations:
    return load_expectations((path,), REGISTRY)


def apply(expectations: Expectations, records: Iterable[Record]) -> list[Record]:
    return [expectations.apply(one) for one in records]


def covered(expectations: Expectations) -> set[Pair]:
    return {pair for one in expectations.entries for pair in MATRIX.pairs(one.box)}


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
    """How each pair ended; None where the run has no record."""
    ended = dict.fromkeys(PAIRS, everywhere)
    for box, ending in patches:
        ended.update(dict.fromkeys(MATRIX.pairs(box), ending))
    return ended


ENTRIES = st.lists(st.tuples(box_strategy(), st.sampled_from(BAD)), max_size=4)


def written(entries: Sequence[tuple[Box, Outcome]], path: Path) -> None:
    """Write those of the entries with which the file is sound."""
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
    """The records of `ROW`, where all others than these failed as expected."""
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
    @register("vit", tasks=["image-classification"])
    class Late(ViTOnnxConfig):
        MIN_OPSET = 14

    both = {"architecture": "bert,vit", "task": "fill-mask,image-classification"}
    path.write_text(entry(**both, opsets="9,18"))
    (known,) = examine_expectations((path,), REGISTRY).known
    pairs = MATRIX.pairs(known.expectation.box)
    passed = [record(pair, Outcome.XPASSED) for pair in pairs if pair.opset == 18]
    write(propose(run_of(passed), path))
    assert path.read_text() == entry(opsets="9").rstrip() + "\n"
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


def test_failures_outside_the_full_matrix_are_told_and_not_proposed(path: Path) -> None:
    path.touch()
    beyond = PAIRS[0]._replace(opset=26)
    update = propose(run_of([record(beyond, Outcome.FAILED)]), path)
    assert not update.files
    (note,) = update.notes
    assert note.startswith("1 pairs are not planned by the nightly")
    assert "bert/feature-extraction/opset26/dynamo export" in note


def test_what_entries_of_another_day_expected_is_told(path: Path) -> None:
    path.touch()
    update = propose(run_of([record(PAIRS[0], Outcome.XFAILED)]), path)
    assert not update.files
    assert "ended as entries said that are no more; run these again" in update.notes[0]


def test_entries_that_do_not_stand_under_lines_of_their_own_are_not_edited(path: Path) -> None:
    values = KNOWN.replace("[[expectation]]\n", "").strip().replace("\n", ", ")
    path.write_text(f"expectation = [{{ {values} }}]\n")
    with pytest.raises(UsageError, match="cannot be edited, since 1 entries stand under 0 lines"):
        propose(run_of(endings_of(pairs_with(9))), path)
