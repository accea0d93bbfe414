"""The values on the first page of a run, before the template lays them out."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import UsageError
from harness.records import Footer, Meaning, Outcome, RunShard, Worst
from reports.page.index import index_of
from reports.page.support import ranges
from reports.signs import SIGNS
from reports.survey import Progress, Survey

BERT = "bert/fill-mask/opset18/dynamo"
GPT2 = "gpt2/text-generation/opset17/torchscript"
VIT = "vit/image-classification/opset18/dynamo"


def names(index: Any) -> dict[str, dict[str, list[str]]]:
    return {
        modality: {group.title: [row.name for row in group.rows] for group in groups}
        for modality, groups in index.groups.items()
    }


def test_every_outcome_has_a_glyph_a_letter_and_a_class_of_its_own() -> None:
    assert set(SIGNS) == set(Outcome)
    for face in ("glyph", "letter", "css"):
        assert len({getattr(sign, face) for sign in SIGNS.values()}) == len(Outcome)


def test_a_complete_run_as_expected_is_green(runs: Any) -> None:
    index = index_of(runs.read(runs.header(BERT), *runs.passing(BERT), runs.complete))
    assert index.verdict.level == "green"
    assert (index.conforming_cells, index.applicable_cells, index.planned_cells) == (1, 1, 1)
    assert index.unexpected == ()


def test_a_run_without_footer_is_interrupted_although_every_record_passed(runs: Any) -> None:
    index = index_of(runs.read(runs.header(BERT), *runs.passing(BERT)))
    assert index.verdict.level == "incomplete"
    assert "never green" in index.verdict.sentence


@pytest.mark.parametrize("is_complete", [True, False])
def test_a_missing_record_is_incomplete_whatever_the_footer_claims(
    runs: Any, is_complete: bool
) -> None:
    footer = Footer(counts={}, exit_status=0, complete=is_complete)
    index = index_of(runs.read(runs.header(BERT, VIT), *runs.passing(BERT), footer))
    assert index.verdict.level == "incomplete"
    assert (index.judged_records, index.planned_records) == (2, 4)


def test_a_record_that_says_not_run_is_no_verdict(runs: Any) -> None:
    records = [runs.record(BERT, name, Outcome.NOT_RUN) for name in runs.requirements]
    index = index_of(runs.read(runs.header(BERT), *records, runs.complete))
    assert index.judged_records == 0


def test_a_non_zero_status_is_red_although_every_cell_is_as_expected(runs: Any) -> None:
    footer = Footer(counts={}, exit_status=3, complete=True)
    index = index_of(runs.read(runs.header(BERT), *runs.passing(BERT), footer))
    assert index.verdict.level == "red"
    assert "status 3" in index.verdict.sentence


def test_an_expected_failure_is_green_but_does_not_conform(runs: Any) -> None:
    records = [*runs.passing(BERT), runs.record(BERT, "agreement", Outcome.XFAILED)]
    index = index_of(runs.read(runs.header(BERT), *records, runs.complete))
    assert index.verdict.level == "green"
    assert (index.conforming_cells, index.applicable_cells) == (0, 1)


def test_a_cell_to_which_nothing_applies_is_in_no_denominator(runs: Any) -> None:
    nothing = [runs.record(VIT, name, Outcome.NOT_APPLICABLE) for name in runs.requirements]
    index = index_of(runs.read(runs.header(BERT, VIT), *runs.passing(BERT), *nothing))
    assert (index.conforming_cells, index.applicable_cells, index.planned_cells) == (1, 1, 2)


def test_an_empty_plan_is_never_green(runs: Any) -> None:
    assert index_of(runs.read(runs.header(), runs.complete)).verdict.level == "red"


def test_totals_add_up_to_the_plan(runs: Any) -> None:
    records = [*runs.passing(BERT), runs.record(GPT2, "export", Outcome.CRASHED)]
    index = index_of(runs.read(runs.header(BERT, GPT2, VIT), *records))
    assert sum(total.cells for total in index.totals) == index.planned_cells == 3
    assert sum(total.records for total in index.totals) == index.planned_records == 6
    cells = {total.sign.name: total.cells for total in index.totals if total.cells}
    assert cells == {"crashed": 1, "not_run": 1, "passed": 1}


def test_unexpected_cells_come_worst_first(runs: Any) -> None:
    records = [
        *runs.passing(BERT, GPT2, VIT),
        runs.record(BERT, "agreement", Outcome.FAILED, message="differs\nmuch"),
        runs.record(GPT2, "export", Outcome.CRASHED),
    ]
    index = index_of(runs.read(runs.header(BERT, GPT2, VIT), *records, runs.complete))
    assert [(t.square.id, t.headline) for t in index.unexpected] == [
        (GPT2, "export: no message"),
        (BERT, "agreement: differs"),
    ]
    assert index.unexpected[1].href == f"architectures/bert.html#{BERT}"


def test_rows_stand_by_modality_and_task_and_unknown_modalities_come_last(runs: Any) -> None:
    other = "mylib:acme~tiny/fill-mask/opset18/dynamo"
    distilbert = BERT.replace("bert", "distilbert")
    modalities = {"bert": "text", "distilbert": "text", "gpt2": "text", "vit": "vision"}
    header = runs.header(other, VIT, GPT2, distilbert, BERT, modalities=modalities)
    assert names(index_of(runs.read(header))) == {
        "text": {"fill-mask": ["bert", "distilbert"], "text-generation": ["gpt2"]},
        "vision": {"image-classification": ["vit"]},
        "unclassified": {"fill-mask": ["mylib:acme~tiny"]},
    }


def test_a_variant_is_a_row_of_its_own_on_the_page_of_its_architecture(runs: Any) -> None:
    variant = GPT2.replace("gpt2/", "gpt2~external-data/")
    index = index_of(runs.read(runs.header(variant, GPT2)))
    assert [(row.name, row.href) for row in index.rows] == [
        ("gpt2", "architectures/gpt2.html"),
        ("gpt2~external-data", "architectures/gpt2.html"),
    ]
    assert index.architectures == {"gpt2": "architectures/gpt2.html"}


def test_combinations_that_were_not_planned_are_empty(runs: Any) -> None:
    index = index_of(runs.read(runs.header(BERT, GPT2)))
    assert (index.columns.exporters, index.columns.opsets) == (("dynamo", "torchscript"), (17, 18))
    bert = index.rows[0]
    assert [square and square.id for square in bert.squares] == [None, BERT, None, None]


def test_tasks_and_architectures_that_are_not_registered_are_listed(runs: Any) -> None:
    missing = {"bert": ["next-sentence-prediction"], "roberta": ["fill-mask"]}
    index = index_of(runs.read(runs.header(BERT, not_registered=missing)))
    (row,) = [row for row in index.rows if not row.is_registered]
    assert (row.name, row.task, row.modality) == ("bert", "next-sentence-prediction", "text")
    assert [(one.architecture, one.tasks) for one in index.not_registered] == [
        ("roberta", (("fill-mask", None),))
    ]
    assert index.surveyed == ()
    assert index.planned_cells == 1


def test_a_survey_says_how_far_each_unregistered_task_gets(runs: Any) -> None:
    missing = {"bert": ["next-sentence-prediction"], "roberta": ["fill-mask", "multiple-choice"]}
    refused = Progress(stage="builds", reason="forward refuses every feed")
    survey = Survey(
        {
            ("bert", "next-sentence-prediction"): refused,
            ("roberta", "fill-mask"): Progress(stage="described", reason=""),
            ("described", "since"): Progress(stage="described", reason=""),
        }
    )
    index = index_of(runs.read(runs.header(BERT, not_registered=missing)), survey)
    (row,) = [row for row in index.rows if not row.is_registered]
    assert row.progress == refused
    (roberta,) = index.not_registered
    assert [(task, str(progress)) for task, progress in roberta.tasks] == [
        ("fill-mask", "scaffold writes a description without a question"),
        ("multiple-choice", "None"),
    ]
    assert index.surveyed == (
        ("scaffold writes a description without a question", 1),
        ("a tiny model builds", 1),
    )


def test_provenance_says_when_for_how_long_and_what_is_not_shown(runs: Any) -> None:
    footer = Footer(counts={}, exit_status=0, complete=True, ended="2025-01-02T04:05:05Z")
    shard = RunShard(index=1, count=2, cells=2)
    header = runs.header(BERT, shard=shard, max_examples=30)
    index = index_of(runs.read(header, *runs.passing(BERT, VIT), footer))
    facts = {fact.name: fact.value for fact in index.provenance}
    assert facts["ended"] == "2025-01-02T04:05:05Z, after 1 h 01 min"
    assert facts["time of all requirements"] == "2 s"
    assert facts["shard"] == "1 of 2"
    assert facts["records outside the plan (not shown)"] == "2"


def test_kinds_of_cells_say_how_each_requirement_ended_and_who_is_at_fault(runs: Any) -> None:
    known = {"reason": "known", "layer": "onnx"}
    records = [
        *runs.passing(BERT, GPT2, VIT),
        runs.record(GPT2, "agreement", Outcome.FAILED, blame="exporter"),
        runs.record(VIT, "export", Outcome.XFAILED, blame="exporter", expectation=known),
    ]
    facets = index_of(runs.read(runs.header(BERT, GPT2, VIT), *records)).facets
    assert facets["requirements"] == ["export", "agreement"]
    found = {
        row["name"]: [facets["kinds"][k] for k in row["cells"] if k >= 0] for row in facets["rows"]
    }
    assert found == {
        "bert": [["PP", "P", {}, True, True]],
        "gpt2": [["PF", "F", {"agreement": "exporter"}, False, False]],
        "vit": [["xP", "x", {"export": "onnx"}, True, False]],
    }


def test_requirements_that_a_run_does_not_explain_are_facets_too(runs: Any) -> None:
    header = runs.header(BERT, requirements={"agreement": Meaning(proves="a", fails_when="b")})
    assert index_of(runs.read(header)).facets["requirements"] == ["agreement", "export"]


@pytest.mark.parametrize("ratio", [float("nan"), float("inf")])
def test_a_ratio_that_is_no_number_sorts_as_the_largest(runs: Any, ratio: float) -> None:
    worst = Worst(output="o", max_abs_diff=1, atol=1, error_ratio=ratio, axes={}, seed=1)
    failed = runs.record(BERT, "agreement", Outcome.FAILED, worst=worst)
    (row,) = index_of(runs.read(runs.header(BERT), failed)).facets["rows"]
    assert row["ratio"] == 1e9


@pytest.mark.parametrize(
    ("opsets", "text"),
    [([], "none"), ([18], "18"), ([17, 18], "17-18"), ([9, 14, 15, 16, 21], "9, 14-16, 21")],
)
def test_opsets_are_written_as_ranges(opsets: list[int], text: str) -> None:
    assert ranges(opsets) == text


def test_a_plan_with_a_bad_cell_id_is_refused(runs: Any) -> None:
    with pytest.raises(UsageError, match="'nonsense'"):
        index_of(runs.read(runs.header("nonsense")))
