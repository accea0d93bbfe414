"""Run files are read back as they were written; a corrupt one is refused with its place."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.records import (
    JOURNALS,
    RUN_FILE,
    SCHEMA_VERSION,
    TRACEBACK_LIMIT,
    CellId,
    FailingExample,
    Footer,
    Header,
    InterfaceValue,
    JournalReader,
    Line,
    Meaning,
    Outcome,
    PartInterface,
    Record,
    RunShard,
    Started,
    Unreached,
    Worst,
    dump_line,
    parse_line,
    read_run,
)

BERT = "bert/fill-mask/opset18/dynamo"
CELL = CellId.parse(BERT)
HEADER = Header(
    run="r1",
    started="2025-01-02T03:04:05Z",
    versions={"python": "3.11.2"},
    platform="Linux",
    profile="pr",
    seed=3,
    planned={BERT: ["export", "agreement"]},
    modalities={"bert": "text"},
    requirements={"export": Meaning(proves="a file comes out", fails_when="none does")},
)
SHARDED = dataclasses.replace(HEADER, shard=RunShard(index=2, count=3, cells=40))
EXPORTED = Record(cell=CELL, requirement="export", outcome=Outcome.PASSED)
FOOTER = Footer(counts={"passed": 2}, exit_status=0, complete=True)
WITH_MISSING = dataclasses.replace(HEADER, not_registered={"roberta": ["fill-mask"]})
ENDED = dataclasses.replace(FOOTER, ended="2025-01-02T04:05:06Z")


def worst(value: float) -> Worst:
    return Worst(
        output="logits", max_abs_diff=value, atol=1e-5, error_ratio=value, axes={"n": 2}, seed=5
    )


FULL = Record(
    cell=CellId.parse("timm:vit~fp16/image-classification/opset17/torchscript"),
    requirement="agreement",
    outcome=Outcome.FAILED,
    seconds=1.5,
    part="decoder_model",
    examples=30,
    covered={"batch_size": [1, 2]},
    worst=worst(0.25),
    failing=FailingExample(axes={"batch_size": 1}, seed=9),
    message="a\nb \u2028 \ud800",
    traceback="Traceback ...",
    expectation={"reason": "known", "opsets": "14..18"},
    replay="python -m harness replay",
    blame="onnxruntime",
    interface={
        "decoder_model": PartInterface(
            inputs=[InterfaceValue(name="input_ids", declared="int64[batch_size]", actual=None)],
            outputs=[],
            left_out=2,
        )
    },
    bounds={"a + b": 131072},
    unreached=(Unreached(landmark="a + b", bound=131072, reached=4096, needs="17.2 GB"),),
)


def write(directory: Path, *lines: Line, rest: str = "") -> Path:
    text = "".join(f"{dump_line(line)}\n" for line in lines) + rest
    (directory / RUN_FILE).write_text(text, encoding="utf-8")
    return directory


@pytest.mark.parametrize(
    "line",
    [
        HEADER,
        SHARDED,
        WITH_MISSING,
        Started(cell=CELL, process="gw0", time="now"),
        EXPORTED,
        FULL,
        FOOTER,
        ENDED,
    ],
    ids=lambda line: type(line).__name__,
)
def test_every_line_reads_back_as_it_was_written(line: Line) -> None:
    text = dump_line(line)
    assert "\n" not in text
    assert parse_line(text, source="here") == line


@pytest.mark.parametrize("name", ["interface", "bounds", "unreached"])
def test_a_record_without_a_value_has_no_line_for_it(name: str) -> None:
    assert name not in json.loads(dump_line(EXPORTED))


@pytest.mark.parametrize(
    "unreached", [3, [3], [{}], [{"landmark": "a", "bound": "1", "reached": 0, "needs": ""}]]
)
def test_a_malformed_landmark_is_refused(unreached: object) -> None:
    text = json.dumps({**EXPORTED.to_json(), "unreached": unreached})
    with pytest.raises(UsageError, match="not a line of a run file"):
        parse_line(text, source="here")


def test_a_run_file_of_the_first_schema_is_read(tmp_path: Path) -> None:
    text = json.dumps({**HEADER.to_json(), "schema_version": 1})
    write(tmp_path, EXPORTED, FOOTER)
    path = tmp_path / RUN_FILE
    path.write_text(f"{text}\n{path.read_text('utf-8')}", encoding="utf-8")
    run = read_run(tmp_path)
    assert run.header == HEADER
    assert run.records[BERT, "export"].unreached == ()


@pytest.mark.parametrize("interface", [[], {"model": []}, {"model": {"inputs": []}}])
def test_an_interface_of_another_form_is_refused(interface: object) -> None:
    text = json.dumps({**EXPORTED.to_json(), "interface": interface})
    with pytest.raises(UsageError, match="not a line of a run file"):
        parse_line(text, source="here")


@pytest.mark.parametrize("actual", [1, ["int64"]])
def test_types_within_an_interface_are_checked(actual: object) -> None:
    data = json.loads(dump_line(FULL))
    data["interface"]["decoder_model"]["inputs"][0]["actual"] = actual
    with pytest.raises(UsageError, match="actual is"):
        parse_line(json.dumps(data), source="here")


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_non_finite_differences_survive_strict_json(value: float) -> None:
    record = Record(cell=CELL, requirement="agreement", outcome=Outcome.FAILED, worst=worst(value))
    text = dump_line(record)
    json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))
    read = parse_line(text, source="here")
    assert isinstance(read, Record)
    assert read.worst is not None
    assert repr(read.worst.max_abs_diff) == repr(read.worst.error_ratio) == repr(value)


def test_an_older_header_without_requirements_can_be_read() -> None:
    data = HEADER.to_json()
    del data["requirements"]
    read = parse_line(json.dumps(data), source="here")
    assert read == dataclasses.replace(HEADER, requirements={})


@pytest.mark.parametrize(
    "requirements",
    [
        3,
        [],
        {"export": 3},
        {"export": {"proves": "it"}},
        {"export": {"proves": 3, "fails_when": "not"}},
        {"export": {"proves": "it", "fails_when": "not", "more": "x"}},
    ],
)
def test_a_header_with_malformed_requirements_is_corrupt(requirements: object) -> None:
    data = {**HEADER.to_json(), "requirements": requirements}
    with pytest.raises(UsageError, match="not a line of a run file"):
        parse_line(json.dumps(data), source="here")


def test_only_the_header_of_a_shard_names_a_shard() -> None:
    assert "shard" not in HEADER.to_json()
    assert SHARDED.to_json()["shard"] == {"index": 2, "count": 3, "cells": 40}


@pytest.mark.parametrize(
    "shard",
    [
        3,
        {},
        {"index": 1, "count": 2},
        {"index": 0, "count": 2, "cells": 4},
        {"index": 3, "count": 2, "cells": 4},
        {"index": 1, "count": 2, "cells": "4"},
        {"index": 1, "count": 2, "cells": 4, "more": 0},
    ],
)
def test_a_header_with_a_malformed_shard_is_corrupt(shard: object) -> None:
    data = {**HEADER.to_json(), "shard": shard}
    with pytest.raises(UsageError, match="not a line of a run file"):
        parse_line(json.dumps(data), source="here")


def test_a_record_carries_the_columns_of_its_cell() -> None:
    data = FULL.to_json()
    assert data["type"] == "record"
    assert (data["library"], data["architecture"], data["task"]) == (
        "timm",
        "vit",
        "image-classification",
    )
    assert (data["opset"], data["exporter"]) == (17, "torchscript")


def test_a_long_traceback_keeps_its_end() -> None:
    record = Record(
        cell=CELL,
        requirement="export",
        outcome=Outcome.ERRORED,
        traceback="x" * TRACEBACK_LIMIT + "the error",
    )
    kept = record.to_json()["traceback"]
    assert len(kept) == TRACEBACK_LIMIT
    assert kept.endswith("the error")


def test_a_run_is_read_from_its_folder_or_its_file(tmp_path: Path) -> None:
    write(tmp_path, HEADER, EXPORTED, FOOTER)
    for location in (tmp_path, tmp_path / RUN_FILE):
        run = read_run(location)
        assert (run.header, run.footer) == (HEADER, FOOTER)
        assert run.records == {(BERT, "export"): EXPORTED}


def test_a_planned_pair_without_record_reads_not_run(tmp_path: Path) -> None:
    (report,) = read_run(write(tmp_path, HEADER, EXPORTED)).reports()
    assert [record.outcome for record in report.records] == [Outcome.PASSED, Outcome.NOT_RUN]
    assert report.outcome is Outcome.NOT_RUN
    assert not report.conforms


def test_a_torn_last_line_is_ignored(tmp_path: Path) -> None:
    half = dump_line(FOOTER)[:-9]
    run = read_run(write(tmp_path, HEADER, EXPORTED, rest=half))
    assert run.records == {(BERT, "export"): EXPORTED}
    assert run.footer is None


@pytest.mark.parametrize(
    "text",
    [
        "{nonsense",
        "[]",
        "3",
        "{}",
        '{"type": "other"}',
        '{"type": "record"}',
        '{"type": "record", "cell": "nonsense", "requirement": "x", "outcome": "passed"}',
        f'{{"type": "record", "cell": "{BERT}", "requirement": "x", "outcome": "good"}}',
    ],
)
def test_a_corrupt_line_is_named_with_file_and_line(tmp_path: Path, text: str) -> None:
    write(tmp_path, HEADER, EXPORTED, rest=f"{text}\n{dump_line(FOOTER)}\n")
    with pytest.raises(UsageError, match=rf"{RUN_FILE}:3: not a line of a run file") as caught:
        read_run(tmp_path)
    assert "\n" not in str(caught.value)


def test_journals_of_an_interrupted_run_are_read(tmp_path: Path) -> None:
    write(tmp_path, HEADER)
    (tmp_path / JOURNALS / "life").mkdir(parents=True)
    started = Started(cell=CELL, process="gw0", time="now")
    journal = f"{dump_line(started)}\n{dump_line(EXPORTED)}\n" + dump_line(FULL)[:40]
    (tmp_path / JOURNALS / "life" / "gw0.jsonl").write_text(journal, encoding="utf-8")
    run = read_run(tmp_path)
    assert run.footer is None
    assert run.started == [started]
    assert run.records == {(BERT, "export"): EXPORTED}


def test_a_corrupt_line_of_a_journal_costs_no_other_record(tmp_path: Path) -> None:
    write(tmp_path, HEADER)
    (tmp_path / JOURNALS / "life").mkdir(parents=True)
    lines = f"{{nonsense\n{dump_line(HEADER)}\n\n{dump_line(EXPORTED)}\n"
    (tmp_path / JOURNALS / "life" / "gw3.jsonl").write_text(lines, encoding="utf-8")
    assert read_run(tmp_path).records == {(BERT, "export"): EXPORTED}


def test_a_growing_journal_is_read_piece_by_piece(tmp_path: Path) -> None:
    reader = JournalReader(tmp_path, "gw0-*.jsonl")
    journal = tmp_path / "gw0-1.jsonl"
    (tmp_path / "gw1-1.jsonl").write_text(f"{dump_line(FULL)}\n", encoding="utf-8")
    assert reader.read() == []
    text = f"{dump_line(EXPORTED)}\n{dump_line(FULL)}\n"
    journal.write_text(text[:-9], encoding="utf-8")
    assert reader.lines() == [EXPORTED]
    assert reader.read() == []
    journal.write_text(text, encoding="utf-8")
    assert reader.read() == [("gw0-1.jsonl", f"{dump_line(FULL)}\n")]


def test_a_missing_run_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run file here"):
        read_run(tmp_path)


@pytest.mark.parametrize("lines", [(), (EXPORTED,), (EXPORTED, HEADER), (HEADER, HEADER)])
def test_a_run_file_starts_with_its_one_header(tmp_path: Path, lines: tuple[Line, ...]) -> None:
    with pytest.raises(UsageError, match="starts with its one header"):
        read_run(write(tmp_path, *lines))


def test_another_schema_is_refused_before_its_fields_are_read(tmp_path: Path) -> None:
    text = json.dumps({"type": "header", "schema_version": SCHEMA_VERSION + 1, "new": 1})
    with pytest.raises(UsageError, match=rf"schema version {SCHEMA_VERSION + 1}"):
        read_run(write(tmp_path, rest=f"{text}\n"))


@pytest.mark.parametrize(
    ("text", "library", "variant"),
    [
        (BERT, "transformers", ""),
        ("bert~fp16/fill-mask/opset18/dynamo", "transformers", "fp16"),
        ("timm:bert/fill-mask/opset18/dynamo", "timm", ""),
        ("timm:bert~fp16/fill-mask/opset18/dynamo", "timm", "fp16"),
    ],
)
def test_a_cell_id_reads_back_as_its_text(text: str, library: str, variant: str) -> None:
    cell = CellId.parse(text)
    assert str(cell) == text
    assert (cell.library, cell.variant) == (library, variant)
    assert (cell.architecture, cell.task, cell.opset, cell.exporter) == (
        "bert",
        "fill-mask",
        18,
        "dynamo",
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bert",
        "bert/fill-mask/18/dynamo",
        "bert/fill-mask/opset/dynamo",
        "bert/fill-mask/opset-1/dynamo",
        "bert/fill-mask/opset18",
        "bert/fill-mask/opset18/",
        "bert/fill-mask/opset18/dynamo/more",
        "bert/fill-mask/opset18/dynamo\n",
        "bert~/fill-mask/opset18/dynamo",
        ":bert/fill-mask/opset18/dynamo",
        "be rt/fill-mask/opset18/dynamo",
    ],
)
def test_a_malformed_cell_id_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="an example is bert/fill-mask/opset18/dynamo"):
        CellId.parse(text)
