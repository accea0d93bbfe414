"""How the ladder runs a requirement, tested with made-up requirements."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import CellId, Outcome, Record
from harness.evidence.cell_files import Source
from harness.evidence.evidence import Evidence
from harness.evidence.example import Example
from harness.evidence.tolerance import Tolerance
from harness.judge import ladder
from harness.judge.domain import Domain
from harness.judge.ladder import run_requirements
from harness.judge.prepared_cell import PreparedCell
from harness.records import Unreached
from harness.requirements.shared.requirement import Examined, Finding, Requirement

T5 = ("t5", "text2text-generation-with-past")
AXES = (
    "sequence_length",
    "encoder_sequence_length",
    "decoder_sequence_length",
    "past_decoder_sequence_length",
)
EXAMPLES = [Example.of({**dict.fromkeys(AXES, 3), "batch_size": n}, n) for n in range(1, 21)]


def within(config: Any, example: Example) -> Example:
    """Return an example with the axes of a description."""
    known = config.axis_space.ranges
    return Example.of({n: size for n, size in example.sizes if n in known}, example.seed)


Judge = Callable[..., Record]
Examine = Callable[[Any, Example, Tolerance], Examined]


@pytest.fixture
def judge(
    exported: Callable[..., Path], subject: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Judge:
    """Return a function that runs a made-up requirement on a correct file: fields -> record."""

    def run(
        architecture: str = "bert",
        task: str = "fill-mask",
        *,
        expected: Sequence[str] = (),
        strict_domain: bool = True,
        count: int = len(EXAMPLES),
        **fields: Any,
    ) -> Record:
        made_up = Requirement(id="made-up", rank=1, proves="it", fails_when="not", **fields)
        monkeypatch.setattr(ladder, "ladder", lambda: (made_up,))
        one, folder = subject(architecture, task), exported(architecture, task).parent
        files = OrderedDict((stem, folder / f"{stem}.onnx") for stem in one.config.parts)
        prepared = PreparedCell(
            cell=CellId.parse(f"{architecture}/{task}/opset18/file"),
            evidence=Evidence(model=one.model, config=one.config, source=Source(files=files)),
            requirements=["made-up"],
            examples=[within(one.config, example) for example in EXAMPLES[:count]],
            domain=Domain.of(one.model, one.config),
            tolerance_of=lambda _: Tolerance.stated(1e-5),
            replay=lambda requirement, example: None,
            expected=expected,
            strict_domain=strict_domain,
        )
        (record,) = run_requirements(prepared)
        return record

    return run


def looks_at(seen: list[Any]) -> Examine:
    """Return an `examine` function that appends (part, example) to `seen` and finds nothing."""

    def examine(sides: Any, example: Example, tolerance: Tolerance) -> Examined:
        seen.append((sides.stem, example))
        return Examined()

    return examine


def test_a_requirement_that_asks_nothing_of_a_description_says_why(judge: Judge) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("it was examined")

    record = judge(
        why_not_applicable=lambda config: f"{config.task} has no cache",
        examine=never,
        examine_example=never,
    )
    assert record.outcome is Outcome.NOT_APPLICABLE
    assert record.message == "fill-mask has no cache"


@pytest.mark.parametrize(("expected", "length"), [((), 1), (("another",), 1), (("made-up",), 3)])
def test_an_expected_failure_is_not_shrunk(
    judge: Judge, expected: Sequence[str], length: int
) -> None:
    def fails_from_five(part: Any, example: Example, tolerance: Tolerance) -> Examined:
        is_large = example.axes["batch_size"] >= 5
        return Examined((Finding(message="too large"),) if is_large else ())

    record = judge(expected=expected, examine_example=fails_from_five)
    assert record.outcome is Outcome.FAILED
    assert record.failing is not None
    assert record.failing.axes == {"batch_size": 5, "sequence_length": length}


def test_the_parts_that_are_not_asked_are_left_out(judge: Judge) -> None:
    seen: list[Any] = []

    def without_past(config: Any) -> str | None:
        return None if config.use_past_in_inputs else "it takes no past"

    record = judge(*T5, why_not_applicable=without_past, examine_example=looks_at(seen))
    assert record.outcome is Outcome.PASSED
    assert {stem for stem, _ in seen} == {"decoder_with_past_model"}


def test_all_parts_and_what_they_are_together_are_asked_otherwise(judge: Judge) -> None:
    seen: list[Any] = []
    judge(*T5, examine_example=looks_at(seen), examine_together=looks_at(seen))
    parts = ["encoder_model", "decoder_model", "decoder_with_past_model"]
    assert list(dict.fromkeys(stem for stem, _ in seen)) == [*parts, " + ".join(parts)]


@pytest.mark.parametrize(
    ("sample", "batches"),
    [
        (None, list(range(1, 21))),
        (5, [1, 5, 9, 13, 17]),
        (3, [1, 7, 14]),
        (20, list(range(1, 21))),
        (99, list(range(1, 21))),
    ],
)
def test_a_sample_is_spread_over_all_examples(
    sample: int | None, batches: list[int], judge: Judge
) -> None:
    seen: list[Any] = []
    record = judge(sample=sample, examine_example=looks_at(seen))
    assert [example.axes["batch_size"] for _, example in seen] == batches
    assert record.examples == len(batches)
    assert record.covered["batch_size"] == batches


def note(message: str = "weights: got 2 copies") -> Finding:
    return Finding(message=message, is_note=True)


def test_a_passing_record_has_the_notes(judge: Judge) -> None:
    record = judge(examine=lambda evidence: [note(), note("dims: got other names")])
    assert record.outcome is Outcome.PASSED
    assert record.message == "weights: got 2 copies\ndims: got other names"
    assert record.blame is None


def test_a_note_does_not_keep_examples_from_being_judged(judge: Judge) -> None:
    def fails(sides: Any, example: Example, tolerance: Tolerance) -> Examined:
        return Examined((Finding(message="logits: got 1, expected 2"),))

    record = judge(examine=lambda evidence: [note()], examine_example=fails)
    assert record.outcome is Outcome.FAILED
    assert "logits: got 1, expected 2 [" in record.message


def test_a_failing_record_has_findings_without_notes(judge: Judge) -> None:
    record = judge(examine=lambda evidence: [note(), Finding(message="x: got 1, expected 2")])
    assert record.outcome is Outcome.FAILED
    assert record.message == f"x: got 1, expected 2 [{record.cell}]"


def test_a_claim_that_no_example_could_refute_is_inconclusive(judge: Judge) -> None:
    def doubtful(sides: Any, example: Example, tolerance: Tolerance) -> Examined:
        return Examined(doubts={"mask": "the reference does not react to the mask", "ids": None})

    record = judge(examine_example=doubtful)
    assert record.outcome is Outcome.INCONCLUSIVE
    assert record.message == (f"made-up: the reference does not react to the mask [{record.cell}]")


@pytest.mark.parametrize("conclusive", [1, 7, 20])
def test_one_example_that_could_have_refuted_it_is_enough(conclusive: int, judge: Judge) -> None:
    def examine(sides: Any, example: Example, tolerance: Tolerance) -> Examined:
        is_enough = example.axes["batch_size"] == conclusive
        return Examined(doubts={"mask": None if is_enough else "it does not react"})

    assert judge(examine_example=examine).outcome is Outcome.PASSED


def test_a_doubt_about_one_part_is_not_removed_by_another(judge: Judge) -> None:
    def examine(sides: Any, example: Example, tolerance: Tolerance) -> Examined:
        is_sure = sides.stem != "decoder_model"
        return Examined(doubts={"logits": None if is_sure else f"{sides.stem} gives zeros"})

    record = judge(*T5, examine_example=examine)
    assert record.outcome is Outcome.INCONCLUSIVE
    assert "decoder_model gives zeros" in record.message


def test_a_part_of_which_nothing_was_observed_is_inconclusive(judge: Judge) -> None:
    def examine(sides: Any, example: Example, tolerance: Tolerance) -> Examined:
        is_unseen = sides.stem == "encoder_model"
        return Examined(why_unobserved="it is Monday" if is_unseen else None)

    record = judge(*T5, examine_example=examine)
    assert record.outcome is Outcome.INCONCLUSIVE
    assert (
        "got no example of encoder_model to observe, so it could not have failed; at the first, it "
        "is Monday"
    ) in record.message


@pytest.fixture
def unreached(monkeypatch: pytest.MonkeyPatch) -> None:
    """No record reaches the landmark `sequence_length` at 512."""
    run = ladder._run_on_examples
    missed = Unreached(landmark="sequence_length", bound=512, reached=24, needs="17.2 GB")
    monkeypatch.setattr(
        ladder, "_run_on_examples", lambda *given: replace(run(*given), unreached=(missed,))
    )


@pytest.mark.usefixtures("unreached")
def test_a_landmark_that_was_not_reached_makes_a_strict_verdict_inconclusive(judge: Judge) -> None:
    record = judge(examine_example=looks_at([]))
    assert record.outcome is Outcome.INCONCLUSIVE
    assert "sequence_length: got 24, expected 512, which needs 17.2 GB" in record.message
    assert len(record.unreached) == 1


@pytest.mark.usefixtures("unreached")
def test_else_it_passes_as_far_as_it_went(judge: Judge) -> None:
    record = judge(examine_example=looks_at([]), strict_domain=False)
    assert record.outcome is Outcome.PASSED
    assert len(record.unreached) == 1


@pytest.mark.usefixtures("unreached")
def test_a_failure_stays_one_whatever_was_reached(judge: Judge) -> None:
    record = judge(examine_example=lambda *_: Examined(findings=(Finding(message="wrong"),)))
    assert record.outcome is Outcome.FAILED


def runs_out_of_memory_from(size: int, axis: str = "batch_size") -> Examine:
    """Return an `examine` function whose memory runs out at this size of an axis."""

    def examine(sides: Any, example: Example, tolerance: Tolerance) -> Examined:
        if example.axes[axis] >= size:
            raise RuntimeError(
                "DefaultCPUAllocator: not enough memory: tried to allocate 2000000000"
            )
        return Examined()

    return examine


def test_where_memory_runs_out_is_out_of_reach_and_no_failure(judge: Judge) -> None:
    record = judge(examine_example=runs_out_of_memory_from(15), strict_domain=False, count=16)
    assert record.outcome is Outcome.PASSED
    assert record.covered["batch_size"] == list(range(1, 15))
    (missed,) = record.unreached
    assert (missed.landmark, missed.bound, missed.reached) == ("batch_size", 16, 14)
    assert missed.needs == "a block of 2 GB"
    strict = judge(examine_example=runs_out_of_memory_from(15), count=16)
    assert strict.outcome is Outcome.INCONCLUSIVE


def test_a_smaller_example_takes_the_place_of_one_without_memory(judge: Judge) -> None:
    """At first with the smallest size on every other axis, then with half of the longest."""
    tried: list[tuple[int, int]] = []

    def examine(sides: Any, example: Example, tolerance: Tolerance) -> Examined:
        tried.append((example.axes["batch_size"], example.axes["sequence_length"]))
        return runs_out_of_memory_from(11)(sides, example, tolerance)

    record = judge(examine_example=examine, strict_domain=False, count=12)
    assert tried[10:] == [(11, 3), (11, 1), (5, 1), (12, 3), (12, 1), (6, 1)]
    assert record.covered["sequence_length"] == [1, 3]


def test_memory_that_always_runs_out_proves_nothing(judge: Judge) -> None:
    record = judge(examine_example=runs_out_of_memory_from(0), strict_domain=False, count=3)
    assert (record.outcome, record.blame) == (Outcome.INCONCLUSIVE, None)
    assert "memory ran out for 3 examples" in record.message


def test_memory_that_runs_out_for_what_others_reach_is_noted(judge: Judge) -> None:
    """As it is for a product of axes: no axis alone went too far."""

    def examine(sides: Any, example: Example, tolerance: Tolerance) -> Examined:
        if example.axes["batch_size"] == 7:
            raise MemoryError
        return Examined()

    record = judge(examine_example=examine, strict_domain=False)
    assert record.outcome is Outcome.PASSED
    assert "memory ran out for 1 examples" in record.message
    strict = judge(examine_example=examine)
    assert strict.outcome is Outcome.INCONCLUSIVE
    assert "memory ran out for 1 examples" in strict.message


def test_memory_that_runs_out_for_the_whole_file_is_inconclusive(judge: Judge) -> None:
    def examine(evidence: Any) -> Any:
        raise MemoryError("here")

    record = judge(examine=examine)
    assert (record.outcome, record.blame) == (Outcome.INCONCLUSIVE, None)
    assert "memory ran out" in record.message


def test_a_failure_for_whose_cause_memory_runs_out_is_still_a_failure(judge: Judge) -> None:
    def explain(failure: Any) -> Any:
        raise MemoryError

    record = judge(
        examine_example=lambda *_: Examined(findings=(Finding(message="wrong"),)), explain=explain
    )
    assert record.outcome is Outcome.FAILED
    assert "memory ran out before another cause" in record.message
