"""What a page says about a run, before it is laid out."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import UsageError
from harness.records import Failing, Footer, Outcome, Started, Worst
from reports.signs import SIGNS
from reports.view import page_of

BERT = "bert/fill-mask/opset18/dynamo"
GPT2 = "gpt2/text-generation/opset17/torchscript"
VIT = "vit/image-classification/opset18/dynamo"


def test_every_outcome_has_a_glyph_and_a_letter_of_its_own() -> None:
    assert set(SIGNS) == set(Outcome)
    assert len({sign.glyph for sign in SIGNS.values()}) == len(Outcome)
    assert len({sign.letter for sign in SIGNS.values()}) == len(Outcome)


def test_a_complete_run_as_expected_is_green(runs: Any) -> None:
    page = page_of(runs.read(runs.header(BERT), *runs.passing(BERT), runs.complete))
    assert page.verdict.level == "green"
    assert (page.conforming_cells, page.planned_cells) == (1, 1)


def test_a_run_without_footer_is_interrupted_although_every_record_passed(runs: Any) -> None:
    page = page_of(runs.read(runs.header(BERT), *runs.passing(BERT)))
    assert page.verdict.level == "incomplete"
    assert "never green" in page.verdict.sentence
    assert "it did not end" in page.verdict.sentence


@pytest.mark.parametrize("is_complete", [True, False])
def test_a_missing_record_is_incomplete_whatever_the_footer_claims(
    runs: Any, is_complete: bool
) -> None:
    footer = Footer(counts={}, exit_status=0, complete=is_complete)
    page = page_of(runs.read(runs.header(BERT, VIT), *runs.passing(BERT), footer))
    assert page.verdict.level == "incomplete"
    assert (page.found_records, page.planned_records) == (2, 4)


def test_an_incomplete_footer_is_incomplete_although_nothing_is_missing(runs: Any) -> None:
    footer = Footer(counts={}, exit_status=0, complete=False)
    page = page_of(runs.read(runs.header(BERT), *runs.passing(BERT), footer))
    assert page.verdict.level == "incomplete"


def test_a_failure_is_red(runs: Any) -> None:
    records = [*runs.passing(BERT), runs.record(BERT, "agreement", Outcome.FAILED)]
    page = page_of(runs.read(runs.header(BERT), *records, runs.complete))
    assert page.verdict.level == "red"
    assert "0 of 1 planned cells ended as expected" in page.verdict.sentence


def test_a_non_zero_status_is_red_although_every_cell_is_as_expected(runs: Any) -> None:
    footer = Footer(counts={}, exit_status=3, complete=True)
    page = page_of(runs.read(runs.header(BERT), *runs.passing(BERT), footer))
    assert page.verdict.level == "red"
    assert "status 3" in page.verdict.sentence


def test_an_expected_failure_is_green_but_does_not_conform(runs: Any) -> None:
    records = [*runs.passing(BERT), runs.record(BERT, "agreement", Outcome.XFAILED)]
    page = page_of(runs.read(runs.header(BERT), *records, runs.complete))
    assert page.verdict.level == "green"
    assert page.conforming_cells == 0


def test_an_empty_plan_is_never_green(runs: Any) -> None:
    page = page_of(runs.read(runs.header(), runs.complete))
    assert page.verdict.level == "red"


def test_totals_add_up_to_the_plan(runs: Any) -> None:
    records = [*runs.passing(BERT), runs.record(GPT2, "export", Outcome.CRASHED)]
    page = page_of(runs.read(runs.header(BERT, GPT2, VIT), *records))
    assert sum(total.cells for total in page.totals) == page.planned_cells == 3
    assert sum(total.records for total in page.totals) == page.planned_records == 6
    cells = {total.sign.name: total.cells for total in page.totals if total.cells}
    assert cells == {"crashed": 1, "not_run": 1, "passed": 1}


def test_records_outside_the_plan_are_counted_not_shown(runs: Any) -> None:
    page = page_of(runs.read(runs.header(BERT), *runs.passing(BERT, VIT), runs.complete))
    assert page.planned_records == page.found_records == 2
    outside = [fact.value for fact in page.provenance if "outside the plan" in fact.name]
    assert outside == ["2"]


def test_rows_are_grouped_by_modality_and_unknown_ones_come_last(runs: Any) -> None:
    other = "mylib:acme~tiny/fill-mask/opset18/dynamo"
    page = page_of(runs.read(runs.header(other, VIT, GPT2, BERT)))
    assert [group.modality for group in page.groups] == ["text", "vision", "unclassified"]
    text, _, unclassified = page.groups
    assert [row.architecture for row in text.rows] == ["bert", "gpt2"]
    assert [row.architecture for row in unclassified.rows] == ["mylib:acme~tiny"]


def test_a_variant_is_a_row_of_its_own_after_its_architecture(runs: Any) -> None:
    variant = GPT2.replace("gpt2/", "gpt2~external-data/")
    page = page_of(runs.read(runs.header(variant, GPT2), *runs.passing(GPT2), runs.complete))
    ((first, second),) = [group.rows for group in page.groups]
    assert (first.architecture, second.architecture) == ("gpt2", "gpt2~external-data")
    assert first.task == second.task
    assert [[cell.id for cell in row.cells] for row in (first, second)] == [[GPT2], [variant]]
    assert (first.expected, second.expected) == (True, False)


def test_combinations_that_nobody_planned_are_empty(runs: Any) -> None:
    page = page_of(runs.read(runs.header(BERT, GPT2)))
    assert (page.exporters, page.opsets) == (("dynamo", "torchscript"), (17, 18))
    bert = page.groups[0].rows[0]
    assert [[cell and cell.id for cell in block] for block in bert.blocks] == [
        [None, BERT],
        [None, None],
    ]


def test_a_cell_whose_process_died_says_which_and_when(runs: Any) -> None:
    run = runs.read(runs.header(BERT))
    run.started.append(
        Started(cell=run.reports()[0].cell, process="gw1", time="2025-01-02T03:05:00Z")
    )
    (cell,) = page_of(run).cells
    assert "gw1" in cell.note
    assert "2025-01-02T03:05:00Z" in cell.note


def test_a_failure_tells_its_axes_its_numbers_and_its_part(runs: Any) -> None:
    worst = Worst(
        output="logits",
        max_abs_diff=float("nan"),
        atol=1e-5,
        error_ratio=float("inf"),
        axes={"batch_size": 3},
        seed=5,
    )
    failed = runs.record(
        BERT,
        "agreement",
        Outcome.FAILED,
        part="decoder_model",
        worst=worst,
        failing=Failing(axes={"batch_size": 1, "sequence_length": 2}, seed=9),
        needed_atol={
            "decoder_model: logits": 0.25,
            "decoder_model: present": float("nan"),
            "encoder_model: hidden": 1e-6,
        },
        covered={"batch_size": [1, 2, 3]},
        blame="onnxruntime",
    )
    (cell,) = page_of(runs.read(runs.header(BERT), failed)).cells
    facts = {fact.name: fact.value for fact in cell.rungs[1].facts}
    assert facts["part"] == "decoder_model"
    assert facts["minimal failing example"] == "batch_size=1, sequence_length=2 (seed 9)"
    assert facts["worst output"].startswith("logits: max_abs_diff nan, atol 1e-05, error ratio inf")
    assert facts["smallest passing atol"] == (
        "decoder_model: present nan, logits 0.25\nencoder_model: hidden 1e-06"
    )
    assert facts["covered axis sizes"] == "batch_size 1, 2, 3"
    assert facts["blame"] == "onnxruntime"


@pytest.mark.parametrize(
    ("outcome", "examples", "words"),
    [
        (Outcome.PASSED, 30, "30"),
        (Outcome.PASSED, 0, "the files, no examples"),
        (Outcome.FAILED, 0, "the files, no examples"),
        (Outcome.XFAILED, 0, "the files, no examples"),
        (Outcome.INCONCLUSIVE, 0, "none"),
        (Outcome.NOT_APPLICABLE, 0, "none"),
        (Outcome.SKIPPED, 0, "none"),
        (Outcome.NOT_RUN, 0, "none"),
        (Outcome.CRASHED, 0, "not known"),
        (Outcome.ERRORED, 0, "not known"),
    ],
)
def test_every_requirement_says_how_many_examples_it_ran(
    runs: Any, outcome: Outcome, examples: int, words: str
) -> None:
    record = runs.record(BERT, "export", outcome, examples=examples)
    (cell,) = page_of(runs.read(runs.header(BERT), record)).cells
    assert cell.rungs[0].examples == words


@pytest.mark.parametrize(
    ("issue", "is_link"),
    [
        ("https://github.com/pytorch/pytorch/issues/1", True),
        ("http://example.org/x", True),
        ("docs/findings/x.md", False),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("//example.org/x", False),
        ("https:", False),
        ("http://[", False),
        ("https://example.org/ java script", False),
    ],
)
def test_only_web_addresses_become_links(runs: Any, issue: str, is_link: bool) -> None:
    expectation = {"reason": "known", "issue": issue}
    xfailed = runs.record(BERT, "export", Outcome.XFAILED, expectation=expectation)
    (cell,) = page_of(runs.read(runs.header(BERT), xfailed)).cells
    (fact,) = [fact for fact in cell.rungs[0].facts if fact.name == "expectation: issue"]
    assert fact.value == issue
    assert fact.href == (issue if is_link else None)


def test_a_plan_with_a_bad_cell_id_is_refused(runs: Any) -> None:
    with pytest.raises(UsageError, match="'nonsense'"):
        page_of(runs.read(runs.header("nonsense")))
