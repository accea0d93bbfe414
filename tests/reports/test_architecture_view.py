"""The page of an architecture: the rows of each cell, the opsets that work, the exactness."""

from __future__ import annotations

import math
from typing import Any

import pytest

from harness.records import (
    FailingExample,
    InterfaceValue,
    Outcome,
    PartInterface,
    Started,
    Unreached,
    Worst,
)
from reports.page.architecture import ArchitecturePage, architecture_pages

BERT = "bert/fill-mask/opset18/dynamo"
GPT2 = "gpt2/text-generation/opset17/torchscript"


def page_of(runs: Any, *lines: Any, name: str = "bert") -> ArchitecturePage:
    return next(page for page in architecture_pages(runs.read(*lines)) if page.name == name)


def rows_of(runs: Any, *records: Any) -> Any:
    (cell,) = page_of(runs, runs.header(BERT), *records).drilldowns
    return cell.rows


def worst(difference: float, *, atol: float = 1e-5) -> Worst:
    return Worst(
        output="logits",
        max_abs_diff=difference,
        atol=atol,
        error_ratio=difference / atol,
        axes={"batch_size": 3},
        seed=5,
    )


def test_each_architecture_has_one_page_with_its_own_columns(runs: Any) -> None:
    variant = GPT2.replace("gpt2/", "gpt2~big/")
    found = list(architecture_pages(runs.read(runs.header(BERT, GPT2, variant))))
    assert [(page.name, page.path) for page in found] == [
        ("bert", "architectures/bert.html"),
        ("gpt2", "architectures/gpt2.html"),
    ]
    gpt2 = found[1]
    assert (gpt2.columns.exporters, gpt2.columns.opsets) == (("torchscript",), (17,))
    assert [group.title for group in gpt2.groups] == ["gpt2", "gpt2~big"]
    assert [cell.square.id for cell in gpt2.drilldowns] == [GPT2, variant]


def test_an_architecture_of_another_library_has_its_own_page(runs: Any) -> None:
    other = BERT.replace("bert", "mylib:bert")
    paths = {page.path for page in architecture_pages(runs.read(runs.header(BERT, other)))}
    assert paths == {"architectures/bert.html", "architectures/mylib=3Abert.html"}


def test_a_failure_shows_its_axes_its_numbers_and_its_part(runs: Any) -> None:
    failed = runs.record(
        BERT,
        "agreement",
        Outcome.FAILED,
        part="decoder_model",
        worst=worst(2e-5),
        failing=FailingExample(axes={"batch_size": 1, "sequence_length": 2}, seed=9),
        blame="onnxruntime",
        expectation={"reason": "known", "version": "torch < 3", "issue": "docs/x.md"},
    )
    (_, row) = rows_of(runs, failed)
    facts = {fact.name: fact.value for fact in row.facts}
    assert facts["part"] == "decoder_model"
    assert facts["minimal example"] == "batch_size=1, sequence_length=2 (seed 9)"
    assert facts["worst difference"] == "max_abs_diff 2e-05, atol 1e-05"
    assert facts["blame"] == "onnxruntime"
    assert facts["expectation: version"] == "torch < 3"
    assert (row.error_ratio, row.worst) == ("2", "logits at batch_size=3 (seed 5)")


def test_equal_texts_without_a_verdict_share_a_row_and_verdicts_never_do(runs: Any) -> None:
    def ended(outcome: Outcome, message: str) -> list[tuple[str, ...]]:
        records = [runs.record(BERT, n, outcome, message=message) for n in runs.requirements]
        return [row.requirements for row in rows_of(runs, *records)]

    assert ended(Outcome.NOT_APPLICABLE, "no such opset") == [("export", "agreement")]
    assert ended(Outcome.PASSED, "") == [("export",), ("agreement",)]
    assert ended(Outcome.FAILED, "same") == [("export",), ("agreement",)]


@pytest.mark.parametrize(
    ("outcome", "examples", "words"),
    [
        (Outcome.PASSED, 30, "30"),
        (Outcome.PASSED, 0, "files only"),
        (Outcome.FAILED, 0, "files only"),
        (Outcome.XFAILED, 0, "files only"),
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
    assert (
        rows_of(runs, runs.record(BERT, "export", outcome, examples=examples))[0].examples == words
    )


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
    row = rows_of(runs, runs.record(BERT, "export", Outcome.XFAILED, expectation=expectation))[0]
    (fact,) = [fact for fact in row.facts if fact.name == "expectation: issue"]
    assert fact.value == issue
    assert fact.href == (issue if is_link else None)


def test_outputs_have_the_worst_that_any_requirement_saw(runs: Any) -> None:
    records = [
        runs.record(BERT, "export", Outcome.PASSED, needed_atol={"logits": 5e-6, "hidden": 1e-6}),
        runs.record(
            BERT,
            "agreement",
            Outcome.FAILED,
            worst=worst(2e-5),
            needed_atol={"logits": 2e-5, "present": math.nan},
        ),
    ]
    (cell,) = page_of(runs, runs.header(BERT), *records).drilldowns
    assert [(o.output, o.needed, o.error_ratio, o.requirement) for o in cell.outputs] == [
        ("present", "nan", "nan", "agreement"),
        ("logits", "2e-05", "2", "agreement"),
        ("hidden", "1e-06", "0.1", "export"),
    ]


def test_sizes_covered_are_those_of_all_requirements(runs: Any) -> None:
    records = [
        runs.record(BERT, "export", Outcome.PASSED, covered={"batch_size": [3, 1]}),
        runs.record(
            BERT,
            "agreement",
            Outcome.PASSED,
            covered={"batch_size": [1, 12], "n": [2, 4096]},
            bounds={"n": 131072},
        ),
    ]
    page = page_of(runs, runs.header(BERT), *records)
    expected = {"batch_size": "up to 12: 1, 3, 12", "n": "up to 4,096 of 131,072: 2, 4096"}
    assert page.drilldowns[0].covered == expected
    assert [(c.row, c.axes) for c in page.coverage] == [("bert fill-mask", expected)]


def test_what_was_not_reached_is_shown_with_its_requirement(runs: Any) -> None:
    missed = Unreached(landmark="n", bound=131072, reached=4096, needs="17.2 GB")
    record = runs.record(BERT, "agreement", Outcome.INCONCLUSIVE, unreached=(missed,))
    (cell,) = page_of(runs, runs.header(BERT), record).drilldowns
    facts = {fact.name: fact.value for row in cell.rows for fact in row.facts}
    assert facts["not reached"] == "n: 4,096 of 131,072, which needs 17.2 GB"


def value(name: str, declared: str | None, actual: str | None) -> InterfaceValue:
    return InterfaceValue(name=name, declared=declared, actual=actual)


def test_values_of_one_type_share_a_row_per_direction_and_part(runs: Any) -> None:
    cache = [value(f"past.{layer}", "float32[n]", "float32[n]") for layer in range(3)]
    ids = [value("ids", "int64[n]", "int64[n]")]
    parts = {
        "encoder": PartInterface(inputs=ids, outputs=[value("hidden", "int64[n]", "int64[n]")]),
        "decoder": PartInterface(inputs=[cache[0], *ids, *cache[1:]], outputs=[], left_out=7),
    }
    record = runs.record(BERT, "interface", Outcome.PASSED, interface=parts)
    header = runs.header(BERT, planned={BERT: ["interface"]})
    found = page_of(runs, header, record).drilldowns[0].interface
    assert found is not None
    assert [(row.part, row.side, row.names) for row in found.rows] == [
        ("encoder", "input", ("ids",)),
        ("encoder", "output", ("hidden",)),
        ("decoder", "input", ("past.0", "past.1", "past.2")),
        ("decoder", "input", ("ids",)),
    ]
    assert found.has_parts
    assert found.summary == "5 inputs and 1 output, as declared"
    assert found.left_out == 7


def test_a_value_not_as_declared_has_its_own_row(runs: Any) -> None:
    inputs = [
        value("a", "int64[n]", "int64[n]"),
        value("b", "int64[n]", "int32[n]"),
        value("c", "int64[n]", None),
        value("d", None, "int64[n]"),
    ]
    record = runs.record(
        BERT,
        "interface",
        Outcome.FAILED,
        interface={"model": PartInterface(inputs=inputs, outputs=[])},
    )
    page = runs.page(runs.header(BERT, planned={BERT: ["interface"]}), record).of("bert")
    details = page.tree.one("details", class_="interface")
    assert "open" in details.attributes
    assert details.one("summary").text == "Interface: 4 inputs and 0 outputs, 3 not as declared"
    rows = [[cell.text for cell in row.children] for row in details.all("tr")[1:]]
    assert rows == [
        ["input", "a", "int64[n]", "the same"],
        ["input", "b", "int64[n]", "int32[n]"],
        ["input", "c", "int64[n]", "none"],
        ["input", "d", "none", "int64[n]"],
    ]
    assert [mark.text for mark in details.all("mark")] == ["int32[n]", "none", "int64[n]"]


def test_a_run_without_an_interface_shows_no_interface(runs: Any) -> None:
    page = runs.page(runs.header(BERT), *runs.passing(BERT)).of("bert")
    assert page.tree.all("details", class_="interface") == []


def test_a_cell_whose_process_died_says_which_and_when(runs: Any) -> None:
    run = runs.read(runs.header(BERT))
    run.started.append(
        Started(cell=run.reports()[0].cell, process="gw1", time="2025-01-02T03:05:00Z")
    )
    (page,) = architecture_pages(run)
    (cell,) = page.drilldowns
    assert "gw1" in cell.note
    assert "2025-01-02T03:05:00Z" in cell.note


def test_support_counts_applicable_cells_and_has_the_largest_difference(runs: Any) -> None:
    cells = {opset: BERT.replace("18", str(opset)) for opset in (14, 17, 18, 21)}
    needs = {"worst": worst(2e-6), "needed_atol": {"logits": 2e-6}}
    records = [
        *(runs.record(cells[14], name, Outcome.NOT_APPLICABLE) for name in runs.requirements),
        *runs.passing(cells[17], cells[18]),
        runs.record(cells[18], "agreement", Outcome.PASSED, **needs),
        runs.record(cells[21], "agreement", Outcome.FAILED, needed_atol={"logits": 1.0}),
    ]
    (one,) = page_of(runs, runs.header(*cells.values()), *records).support
    assert (one.task, one.exporter, one.opsets, one.best) == ("fill-mask", "dynamo", "17-18", 18)
    assert (one.conforming, one.applicable) == (2, 3)
    assert (one.needed, one.atol) == ("2e-06", "1e-05")


def test_the_plot_rises_with_the_needed_atol_and_has_the_allowed_one(runs: Any) -> None:
    needs = {17: 1e-7, 18: 1e-6, 21: 0.0, 23: math.inf}
    cells = {opset: BERT.replace("18", str(opset)) for opset in needs}
    records = [
        runs.record(
            cells[opset],
            "agreement",
            Outcome.PASSED,
            needed_atol={"logits": value},
            worst=worst(1e-6),
        )
        for opset, value in needs.items()
    ]
    (plot,) = page_of(runs, runs.header(*cells.values()), *records).plots
    (series,) = plot.series
    low, high, exact = series.points  # an infinite value is not drawn
    assert low.x < high.x < exact.x
    assert high.y < low.y < exact.y
    assert plot.limit is not None
    assert plot.limit.at < high.y
    assert plot.limit.label == "1e-05"
    assert high.label == "dynamo, opset 18: 1e-06"


def test_without_a_comparison_there_is_no_plot(runs: Any) -> None:
    page = page_of(runs, runs.header(BERT), *runs.passing(BERT))
    assert page.plots == ()
    assert page.support[0].needed == ""
