"""Shards merge into the run that was sharded; runs that do not belong together are refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.records import (
    RUN_FILE,
    CellId,
    Footer,
    Header,
    Line,
    Meaning,
    Outcome,
    Record,
    Run,
    RunShard,
    Started,
    is_green,
    make_footer,
    read_run,
    reports_of,
)
from reports.__main__ import main
from reports.merge import SourceRun, merge, write_run

BERT = "bert/fill-mask/opset18/dynamo"
GPT2 = "gpt2/text-generation/opset17/torchscript"
VIT = "vit/image-classification/opset18/dynamo"
LADDER = ("export", "checker", "agreement")
# In the order of a plan: variants after their architecture, opsets as numbers.
CELLS = (
    "bert/fill-mask/opset9/dynamo",
    "bert/fill-mask/opset9/torchscript",
    "bert/fill-mask/opset18/dynamo",
    "bert/fill-mask/opset18/torchscript",
    "bert/question-answering/opset9/dynamo",
    "gpt2/text-generation/opset18/dynamo",
    "gpt2~external-data/text-generation/opset18/dynamo",
    "gpt2-like/text-generation/opset18/dynamo",
    "vit/image-classification/opset18/dynamo",
)
MODALITIES = {"bert": "text", "gpt2": "text", "gpt2-like": "text", "vit": "vision"}


@st.composite
def whole_runs(draw: st.DrawFn) -> Run:
    """A run of some of the cells, without shards, with any outcomes."""
    chosen = draw(st.lists(st.sampled_from(CELLS), min_size=1, unique=True))
    cells = [cell for cell in CELLS if cell in chosen]
    architectures = dict.fromkeys(CellId.parse(cell).architecture for cell in cells)
    header = Header(
        run="whole",
        started="2025-01-02T03:04:05+00:00",
        versions={"python": "3.11.2", "torch": "2.9.0"},
        platform="Linux",
        profile="nightly",
        seed=draw(st.integers(0, 2**32)),
        planned={cell: list(LADDER) for cell in cells},
        modalities={name: MODALITIES[name] for name in architectures},
        requirements={name: Meaning(proves=name, fails_when="not") for name in LADDER},
    )
    records = {
        (cell, name): Record(
            cell=CellId.parse(cell),
            requirement=name,
            outcome=draw(st.sampled_from(Outcome)),
            seconds=draw(st.floats(0, 9)),
            message=draw(st.text(max_size=5)),
        )
        for cell in cells
        for name in LADDER
    }
    started = [Started(cell=CellId.parse(cell), process="main", time="t") for cell in cells]
    status = 0 if is_green(reports_of(header, records)) else 1
    footer = make_footer(reports_of(header, records), exit_status=status)
    return Run(header=header, started=started, records=records, footer=footer)


def part_of(run: Run, cells: Sequence[str], /, **fields: Any) -> Run:
    """Return a run that judged only these cells of `run`."""
    names = {CellId.parse(cell).architecture for cell in cells}
    planned = {cell: run.header.planned[cell] for cell in cells}
    modalities = {name: run.header.modalities[name] for name in sorted(names, reverse=True)}
    header = dataclasses.replace(run.header, planned=planned, modalities=modalities, **fields)
    records = {pair: record for pair, record in run.records.items() if pair[0] in planned}
    started = [line for line in run.started if str(line.cell) in planned]
    status = 0 if is_green(reports_of(header, records)) else 1
    footer = make_footer(reports_of(header, records), exit_status=status)
    return Run(header=header, started=started, records=records, footer=footer)


def shards_of(run: Run, owners: Sequence[int]) -> list[Run]:
    """Return `run` split into shards; `owners` has each cell's shard, counted from 0."""
    count, cells = max(owners) + 1, list(run.header.planned)
    return [
        part_of(
            run,
            [cell for cell, owner in zip(cells, owners, strict=True) if owner == index],
            run=f"shard-{index}",
            started=f"2025-01-02T03:04:{index:02}+00:00",
            shard=RunShard(index=index + 1, count=count, cells=len(cells)),
        )
        for index in range(count)
    ]


def merged_file(tmp: Path, runs: Sequence[Run], **options: Any) -> list[dict[str, Any]]:
    """Return the lines of the merged run's file, without run names and times."""
    sources = [SourceRun(Path(str(index)), run) for index, run in enumerate(runs)]
    return timeless(write_run(merge(sources, name="merged", **options), tmp))


def timeless(path: Path) -> list[dict[str, Any]]:
    lines = [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]
    return [
        {k: v for k, v in line.items() if k not in {"run", "started", "time"}} for line in lines
    ]


@given(run=whole_runs(), data=st.data())
def test_shards_of_any_cut_merge_to_the_run_that_was_cut(
    tmp_path_factory: pytest.TempPathFactory, run: Run, data: st.DataObject
) -> None:
    count = len(run.header.planned)
    owners = data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    shards = data.draw(st.permutations(shards_of(run, owners)))
    folder = tmp_path_factory.mktemp("cut")
    whole = timeless(write_run(run, folder / "whole"))
    merged = merged_file(folder / "merged", shards)
    assert merged == whole
    assert [list(line) for line in merged] == [list(line) for line in whole]
    assert list(merged[0]["planned"]) == list(run.header.planned)
    assert list(merged[0]["modalities"]) == list(run.header.modalities)
    assert "shard" not in merged[0]


def sources(runs: Any, *lines: Sequence[Line]) -> list[SourceRun]:
    """Write runs of these lines to the folders a, b, ..., and return them."""
    paths = [runs.write(*each, name=name) for name, each in zip("abcdefgh", lines, strict=False)]
    return [SourceRun(Path(path.name), read_run(path)) for path in paths]


def shard(runs: Any, index: int, count: int, cells: int, *planned: str, **fields: Any) -> Header:
    values = {"shard": RunShard(index=index, count=count, cells=cells), **fields}
    header: Header = runs.header(*planned, **values)
    return header


def ended(runs: Any, *cells: str) -> list[Line]:
    """Return the lines of a run of these cells that passed and ended."""
    return [runs.header(*cells), *runs.passing(*cells), runs.complete]


def test_a_merged_run_reads_back(runs: Any, tmp_path: Path) -> None:
    given = sources(runs, ended(runs, BERT), ended(runs, VIT))
    merged = merge(given, name="both")
    read = read_run(write_run(merged, tmp_path / "both"))
    assert read == merged
    assert read.header.run == "both"
    assert list(read.header.planned) == [BERT, VIT]
    assert read.footer == Footer(counts={"passed": 4}, exit_status=0, complete=True)


def test_the_ladder_keeps_its_order_where_each_run_planned_a_part_of_it(runs: Any) -> None:
    some = runs.header(BERT, planned={BERT: ["export", "agreement"]})
    other = runs.header(VIT, planned={VIT: ["export", "checker", "agreement"]})
    meanings = [{name: Meaning(proves=name, fails_when="")} for name in LADDER]
    export, checker, agreement = meanings
    some = dataclasses.replace(some, requirements={**export, **agreement})
    other = dataclasses.replace(other, requirements={**export, **checker, **agreement})
    merged = merge(sources(runs, [some], [other]), name="x")
    assert tuple(merged.header.requirements) == LADDER


def test_other_platforms_are_all_named(runs: Any) -> None:
    mac, linux = runs.header(BERT, platform="Mac"), runs.header(VIT, platform="Linux")
    merged = merge(sources(runs, [mac], [linux]), name="x")
    assert merged.header.platform == "Linux; Mac"


def test_an_interrupted_run_merges_visibly_incomplete(runs: Any) -> None:
    killed = [runs.header(BERT), *runs.passing(BERT)[:1]]
    merged = merge(sources(runs, killed, ended(runs, VIT)), name="x")
    assert merged.records[BERT, "agreement"].outcome is Outcome.NOT_RUN
    assert merged.footer == Footer(
        counts={"not_run": 1, "passed": 3}, exit_status=1, complete=False
    )


def test_a_run_killed_before_its_footer_is_incomplete_although_all_passed(runs: Any) -> None:
    killed = [runs.header(BERT), *runs.passing(BERT)]
    merged = merge(sources(runs, killed, ended(runs, VIT)), name="x")
    assert merged.footer == Footer(counts={"passed": 4}, exit_status=1, complete=False)


def test_a_killed_run_and_the_run_that_resumed_it_are_complete(runs: Any) -> None:
    export, agreement = runs.passing(BERT)
    killed = [runs.header(BERT), export]
    resumed = [runs.header(BERT), agreement, runs.complete]
    merged = merge(sources(runs, killed, resumed), name="x")
    assert merged.footer == Footer(counts={"passed": 2}, exit_status=0, complete=True)


@pytest.mark.parametrize("order", [1, -1])
def test_a_verdict_takes_the_place_of_not_run(runs: Any, order: int) -> None:
    skipped = [runs.record(BERT, name, Outcome.NOT_RUN) for name in runs.requirements]
    stopped = [runs.header(BERT), *skipped, Footer(counts={}, exit_status=2, complete=False)]
    merged = merge(sources(runs, *[stopped, ended(runs, BERT)][::order]), name="x")
    assert merged.footer == Footer(counts={"passed": 2}, exit_status=0, complete=True)


def test_a_failure_is_red(runs: Any) -> None:
    failed = runs.record(BERT, "export", Outcome.FAILED)
    lines = [runs.header(BERT), failed, runs.passing(BERT)[1], runs.complete]
    merged = merge(sources(runs, lines, ended(runs, VIT)), name="x")
    assert merged.footer == Footer(counts={"failed": 1, "passed": 3}, exit_status=1, complete=True)


def test_a_run_that_was_red_for_another_reason_stays_red(runs: Any) -> None:
    broken = [*ended(runs, BERT)[:-1], Footer(counts={}, exit_status=3, complete=True)]
    merged = merge(sources(runs, broken, ended(runs, VIT)), name="x")
    assert merged.footer is not None
    assert merged.footer.exit_status == 3


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"profile": "pr"}, "profile is 'pr', expected 'nightly' as in a"),
        ({"seed": 8}, "seed is 8, expected 7 as in a"),
        (
            {"versions": {"python": "3.11.2", "torch": "2.10.0"}},
            "versions: onnx is None, expected 1.19.0; torch is 2.10.0, expected 2.9.0 as in a",
        ),
    ],
)
def test_other_facts_are_refused_by_name(runs: Any, fields: dict[str, Any], part: str) -> None:
    given = sources(runs, [runs.header(BERT)], [runs.header(VIT, **fields)])
    with pytest.raises(UsageError, match=r"^b: ") as caught:
        merge(given, name="x")
    assert part in str(caught.value)


def test_two_outcomes_of_one_pair_are_refused(runs: Any) -> None:
    other = [runs.header(BERT), runs.record(BERT, "export", Outcome.FAILED)]
    with pytest.raises(UsageError, match=f"^b: export of {BERT} is failed, but passed in a"):
        merge(sources(runs, ended(runs, BERT), other), name="x")


def test_a_shard_given_twice_is_refused(runs: Any) -> None:
    given = sources(runs, ended(runs, BERT), ended(runs, BERT))
    message = f"^b: export of {BERT} is passed, and also in a; give each"
    with pytest.raises(UsageError, match=message):
        merge(given, name="x")


def test_a_missing_shard_is_refused_by_its_number(runs: Any) -> None:
    first, last = shard(runs, 1, 4, 2, BERT), shard(runs, 4, 4, 2, VIT)
    with pytest.raises(UsageError, match=r"missing 2/4, 3/4; .*--allow-missing"):
        merge(sources(runs, [first], [last]), name="x")


def test_a_missing_shard_is_allowed_and_never_green(runs: Any) -> None:
    lines = [shard(runs, 1, 2, 2, BERT), *runs.passing(BERT), runs.complete]
    merged = merge(sources(runs, lines), name="x", allow_missing=True)
    assert merged.footer == Footer(counts={"passed": 2}, exit_status=1, complete=False)


def test_allowing_what_is_not_missing_changes_nothing(runs: Any) -> None:
    lines = [shard(runs, 1, 1, 1, BERT), *runs.passing(BERT), runs.complete]
    merged = merge(sources(runs, lines), name="x", allow_missing=True)
    assert merged.footer == Footer(counts={"passed": 2}, exit_status=0, complete=True)


def test_cells_that_no_shard_planned_are_missing(runs: Any) -> None:
    first, last = shard(runs, 1, 2, 3, BERT), shard(runs, 2, 2, 3, VIT)
    with pytest.raises(UsageError, match="missing 1 cells"):
        merge(sources(runs, [first], [last]), name="x")


def test_more_cells_than_the_plan_are_refused(runs: Any) -> None:
    first, last = shard(runs, 1, 2, 2, BERT), shard(runs, 2, 2, 2, VIT, GPT2)
    with pytest.raises(UsageError, match=r"the runs plan 3 cells, but the whole plan .* has 2"):
        merge(sources(runs, [first], [last]), name="x", allow_missing=True)


@pytest.mark.parametrize(("count", "cells"), [(3, 2), (2, 5)])
def test_shards_of_another_split_are_refused(runs: Any, count: int, cells: int) -> None:
    first, last = shard(runs, 1, 2, 2, BERT), shard(runs, 2, count, cells, VIT)
    message = f"^b: is shard 2/{count} of {cells} cells, but a is shard 1/2 of 2 cells"
    with pytest.raises(UsageError, match=message):
        merge(sources(runs, [first], [last]), name="x")


def test_an_empty_shard_does_not_make_the_run_red(runs: Any) -> None:
    full: list[Line] = [shard(runs, 1, 2, 1, BERT), *runs.passing(BERT), runs.complete]
    empty: list[Line] = [shard(runs, 2, 2, 1), Footer(counts={}, exit_status=5, complete=True)]
    merged = merge(sources(runs, full, empty), name="x")
    assert merged.footer == Footer(counts={"passed": 2}, exit_status=0, complete=True)


def test_the_command_writes_the_run_and_its_page(
    runs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [runs.write(*ended(runs, cell), name=cell[:3]) for cell in (BERT, VIT)]
    target = tmp_path / "new" / "night"
    assert main(["merge", *map(str, paths), "-o", str(target)]) == 0
    assert capsys.readouterr().out == f"{target / RUN_FILE}\n{target / 'index.html'}\n"
    assert read_run(target).header.run == "night"
    names = ["architectures", "index.html", RUN_FILE]
    assert sorted(path.name for path in target.iterdir()) == names


def test_a_folder_that_holds_a_run_is_refused_and_left_as_it_was(
    runs: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = runs.write(*ended(runs, BERT))
    before = (path / RUN_FILE).read_bytes()
    assert main(["merge", str(path), "-o", str(path)]) == 2
    assert capsys.readouterr().err == f"error: {path}: holds a run; give a new folder\n"
    assert [file.read_bytes() for file in path.iterdir()] == [before]


def test_a_refused_merge_writes_nothing(
    runs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = runs.write(*ended(runs, BERT))
    assert main(["merge", str(path), str(path), "-o", str(tmp_path / "new")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_made_is_one_line(
    runs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = runs.write(*ended(runs, BERT))
    (tmp_path / "taken").touch()
    assert main(["merge", str(path), "-o", str(tmp_path / "taken")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "taken" in captured.err


def test_the_merged_run_ended_when_the_last_of_its_shards_did(runs: Any) -> None:
    shards = [
        runs.read(
            runs.header(cell, shard=RunShard(index=index, count=2, cells=2)),
            *runs.passing(cell),
            Footer(counts={}, exit_status=0, complete=True, ended=f"2025-01-02T{hour}:00:00Z"),
        )
        for index, cell, hour in ((1, BERT, "08"), (2, GPT2, "07"))
    ]
    merged = merge([SourceRun(Path(str(n)), run) for n, run in enumerate(shards)], name="merged")
    assert merged.footer is not None
    assert merged.footer.ended == "2025-01-02T08:00:00Z"
