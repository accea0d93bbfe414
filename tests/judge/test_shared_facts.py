"""Facts about the reference are computed once per task and never reused for another model."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import harness.judge.cell
from harness import (
    Artifact,
    CellId,
    HarnessError,
    OnnxConfig,
    SharedWork,
    TasksManager,
    judge_cell,
    register_exporter,
)
from harness.configs.normalized_config import NormalizedSeq2SeqConfig
from harness.evidence import reference
from harness.evidence.cell_files import Source
from harness.evidence.evidence import Evidence
from harness.evidence.example import Example
from harness.evidence.facts import Facts, RecomputedFacts, SharedFacts
from harness.evidence.models import tiny_model
from harness.exporters import get_exporter
from harness.records import Record

TASKS = ("bert/fill-mask", "gpt2/text-generation-with-past", "t5/text2text-generation")
EXAMPLE = Example.of({"batch_size": 2, "sequence_length": 3}, 5)

Subjects = Callable[[str, str], Any]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list that collects the feed of each eager PyTorch call."""
    made: list[Any] = []
    plain = reference.call_reference

    def counted(model: Any, config: Any, feed: Any) -> Any:
        made.append(feed)
        return plain(model, config, feed)

    monkeypatch.setattr("harness.evidence.eager_part.call_reference", counted)
    return made


def without_seconds(record: Record) -> Record:
    return replace(record, seconds=0)


@pytest.mark.parametrize(
    "task", [TASKS[0], *(pytest.param(task, marks=pytest.mark.full) for task in TASKS[1:])]
)
def test_cells_that_share_facts_have_the_records_of_those_that_do_not(
    task: str, calls: list[Any]
) -> None:
    cells = [CellId.parse(f"{task}/opset{opset}/torchscript") for opset in (17, 18)]
    alone = [[without_seconds(record) for record in judge_cell(cell).records] for cell in cells]
    by_one = len(calls) // len(cells)
    calls.clear()
    work = SharedWork()
    assert [
        [without_seconds(record) for record in judge_cell(cell, work=work).records]
        for cell in cells
    ] == alone
    # The second cell calls the model only to check that its outputs did not change.
    assert by_one < len(calls) < 1.2 * by_one


class Meddling:
    """An exporter that changes the model's weights after the export."""

    name = "meddling"
    opsets = (18,)

    def export(self, model: Any, config: Any, opset: int, output: Path) -> Artifact:
        artifact = get_exporter("torchscript").export(model, config, opset, output)
        with torch.no_grad():
            next(model.parameters()).mul_(2)
        return artifact


def test_an_exporter_that_changes_the_model_is_seen_and_spoils_no_other_cell() -> None:
    register_exporter(Meddling())
    work = SharedWork()
    requirements = ["export", "agreement", "sensitivity"]

    def outcomes(exporter: str) -> list[str]:
        cell = CellId.parse(f"bert/fill-mask/opset18/{exporter}")
        report = judge_cell(cell, requirements=requirements, work=work)
        return [str(record.outcome) for record in report.records]

    for _ in range(2):
        assert outcomes("meddling") == ["failed", "skipped", "skipped"]
        assert outcomes("torchscript") == ["passed"] * 3


def changed_weights(model: Any, config: OnnxConfig) -> None:
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] += 1


def changed_settings(model: Any, config: OnnxConfig) -> None:
    model.config.output_hidden_states = True


def changed_description(model: Any, config: OnnxConfig) -> None:
    config.external_data_threshold = 1


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("change", [changed_weights, changed_settings, changed_description])
def test_facts_are_lent_to_the_same_model_and_description_alone(
    task: str, change: Callable[[Any, OnnxConfig], None]
) -> None:
    shared = SharedFacts()
    facts = shared.facts_for(*made(task))
    assert shared.facts_for(*made(task)) is facts
    other = made(task)
    change(*other)
    assert shared.facts_for(*other) is not facts


def made(task: str) -> tuple[Any, OnnxConfig]:
    """Return a new model and a new description, as each cell makes them."""
    architecture, _, name = task.partition("/")
    model: Any = tiny_model(architecture, name)
    constructor = TasksManager.get_exporter_config_constructor("onnx", model, task=name)
    return model, constructor(model.config)


def test_a_config_that_cannot_be_pickled_shares_no_facts() -> None:
    model, config = made("bert/fill-mask")
    vars(config)["of_the_user"] = threading.Lock()
    shared = SharedFacts()
    assert shared.facts_for(model, config) is not shared.facts_for(model, config)


def test_a_fact_may_not_look_at_files(
    subject: Subjects, exported: Callable[[str, str], Path]
) -> None:
    one = subject("bert", "fill-mask")
    source = Source(files={"model": exported("bert", "fill-mask")})  # type: ignore[arg-type]
    (part,) = Evidence(model=one.model, config=one.config, source=source).parts
    part.candidate(EXAMPLE)  # now cached, but still not a fact
    looks: list[Callable[[], Any]] = [
        lambda: part.candidate(EXAMPLE),
        lambda: part.run({}),
        lambda: part.path,
    ]
    for number, look in enumerate(looks):
        with pytest.raises(HarnessError, match="got access to a file of this cell, expected none"):
            part.fact((number,), look)
    assert part.candidate(EXAMPLE)


def test_a_feed_that_is_written_to_is_as_drawn_the_next_time(subject: Subjects) -> None:
    one = subject("bert", "fill-mask")
    (part,) = Evidence(model=one.model, config=one.config, source=Source()).parts
    drawn = part.feed(EXAMPLE)["input_ids"].clone()
    part.feed(EXAMPLE)["input_ids"].zero_()
    assert part.feed(EXAMPLE)["input_ids"].equal(drawn)
    assert drawn.any()


def test_what_is_raised_is_not_kept_and_values_are_computed_once() -> None:
    facts = Facts()
    answers: Iterator[int | Exception] = iter([ValueError("first"), 1, 2])

    def compute() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(ValueError, match="first"):
        facts.get("a", compute)
    assert [facts.get("a", compute), facts.get("a", compute), facts.get("b", compute)] == [1, 1, 2]


def test_a_full_store_keeps_what_came_first() -> None:
    facts = Facts(capacity=1000)
    arrays = iter([np.zeros(100), np.ones(100), np.full(100, 2.0), np.zeros(1)])
    got = [facts.get(key, lambda: next(arrays)) for key in ("a", "b", "a", "b")]
    assert got[2] is got[0]
    assert got[3] is not got[1]


KEPT: dict[str, Any] = {
    "an array": np.array([0.0, np.nan]),
    "a tensor": torch.tensor([1.0, 2.0]),
    "a key": {"a": 1},
    "a length": [1, [2, 3]],
    "an example": EXAMPLE,
    "nothing": None,
    "an error": ValueError("one"),
}
OTHERS: dict[str, list[Any]] = {
    "an array": [
        np.array([-0.0, np.nan]),
        np.array([0.0, np.nan], "f4"),
        np.array([[0.0, np.nan]]),
    ],
    "a tensor": [torch.tensor([1.0, 2.1]), torch.tensor([1, 2]), np.array([1.0, 2.0], "f4")],
    "a key": [{"b": 1}, {"a": 1.5}, {"a": 1, "b": 1}, {}],
    "a length": [[1, [2], 3], [1, [2, 3], 4], [1]],
    "an example": [replace(EXAMPLE, seed=6)],
    "nothing": [0, False],
    "an error": [ValueError("two"), TypeError("one")],
}


@pytest.mark.parametrize("key", KEPT)
def test_a_recomputed_fact_that_differs_is_an_error(key: str) -> None:
    facts = Facts()
    kept = facts.get(key, lambda: KEPT[key])
    assert RecomputedFacts(facts).get(key, lambda: copy.deepcopy(kept)) is not kept or kept is None
    for other in OTHERS[key]:
        with pytest.raises(HarnessError, match="than is cached for other cells"):
            RecomputedFacts(facts).get(key, lambda other=other: other)  # type: ignore[misc]


def test_a_nightly_proves_on_some_cells_that_the_facts_are_those_of_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(harness.judge.cell, "CELLS_PER_SHARING_CHECK", 1)
    work = SharedWork()

    def outcome() -> str:
        cell = CellId.parse("bert/fill-mask/opset18/torchscript")
        (record,) = judge_cell(
            cell, requirements=["agreement"], profile="nightly", work=work
        ).records
        return f"{record.outcome} {record.message}"

    assert outcome().startswith("passed")
    assert outcome().startswith("passed")
    facts = work.facts._facts
    kept = facts._values._values
    key = next(key for key in kept if "reference" in key)  # type: ignore[operator]
    kept[key]["logits"] = kept[key]["logits"] + 1e-7
    assert outcome().startswith("errored")
    assert "than is cached for other cells" in outcome()


def test_normalized_configs_are_copied_with_the_names_of_their_variant() -> None:
    kind = NormalizedSeq2SeqConfig.with_args(num_layers="depth").with_args(width="n_embd")
    for one in (kind({"depth": 3}), NormalizedSeq2SeqConfig({"depth": 3})):
        made_by, arguments = pickle_of(one)
        other = made_by(*arguments)
        assert isinstance(other, NormalizedSeq2SeqConfig)
        assert (other._NAMES, other.config) == (one._NAMES, {"depth": 3})


def pickle_of(value: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Return the constructor and arguments that a pickle uses; check that both can be pickled."""
    reduced: Any = value.__reduce__()
    pickle.dumps(reduced)
    return reduced[0], reduced[1]
