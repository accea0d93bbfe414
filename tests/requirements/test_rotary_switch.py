"""`cache` on a model whose own steps differ from its full forward across a switch of its rope."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from harness import CellId, Outcome, judge_cell
from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.evidence.cell_files import Source
from harness.evidence.decoding import Decoding
from harness.evidence.eager_executions import EAGER
from harness.evidence.evidence import Evidence
from harness.evidence.example import Example
from harness.evidence.models import tiny_model
from harness.evidence.reference import as_tensors
from harness.evidence.tolerance import Tolerance
from harness.requirements._decode import EAGER_IN_STEPS
from harness.requirements.cache import examine_part
from tests.gate import full

if TYPE_CHECKING:
    from harness.evidence.eager_part import EagerPart
    from harness.evidence.part_file import PartFile
    from harness.evidence.session import Run

TASK = "text-generation-with-past"
TOLERANCE = Tolerance.given(1.5e-4)
EXAMPLES = [
    Example.of({"batch_size": 2, "past_sequence_length": past, "sequence_length": 2}, seed)
    for seed in range(3)
    for past in (0, 2, 20)
]


class _LongFactorsAlways:
    """Runs a model that has the factors of long texts in place of the files."""

    name = "long factors always"

    def open(self, file: PartFile, eager: EagerPart) -> Run:
        model: Any = copy.deepcopy(eager.copies.original)
        rotary, scaling = model.model.rotary_emb, model.config.rope_parameters
        short, long = (
            rotary.inv_freq.new_tensor(scaling[kind]) for kind in ("short_factor", "long_factor")
        )
        rotary.original_inv_freq.mul_(short / long)
        return lambda feed: eager(as_tensors(feed), model=model)


@pytest.fixture
def evidence() -> Evidence:
    model: Any = tiny_model("phi3", TASK, "longrope")
    return Evidence(model=model, config=LlamaOnnxConfig(model.config, TASK), source=Source())


def test_steps_are_compared_with_eagers_own_steps_where_these_differ(evidence: Evidence) -> None:
    part = evidence.parts[0].under(EAGER)
    results = [examine_part(part, example, TOLERANCE) for example in EXAMPLES]
    assert [result.findings for result in results] == [()] * len(EXAMPLES)
    assert {result.notes for result in results} == {(), (EAGER_IN_STEPS,)}


def test_a_file_that_follows_the_full_forward_across_the_switch_is_refused(
    evidence: Evidence,
) -> None:
    """Its prefill has the frequencies that only the later tokens select."""
    part = evidence.parts[0].under(_LongFactorsAlways())
    results = [examine_part(part, example, TOLERANCE) for example in EXAMPLES]
    crossing = [result for result in results if result.notes]
    assert crossing
    for result in crossing:
        assert "against eager PyTorch in the same steps: " in result.findings[0].message


def test_a_model_without_a_switch_has_its_full_forward_as_the_only_reference() -> None:
    model: Any = tiny_model("phi3", TASK)
    plain = Evidence(model=model, config=LlamaOnnxConfig(model.config, TASK), source=Source())
    decoding = Decoding(plain.whole)
    schedule = decoding.schedule_for(EXAMPLES[1])
    assert decoding.reference(schedule).in_steps is None


@full
def test_the_record_says_how_many_examples_have_eagers_own_steps_as_reference() -> None:
    cell = CellId.parse(f"phi3~longrope/{TASK}/opset18/torchscript")
    (record,) = judge_cell(cell, profile="smoke", requirements=["cache"]).records
    assert record.outcome is Outcome.PASSED, record.message
    assert record.message.startswith(f"{EAGER_IN_STEPS} (")
    assert record.message.endswith(f" of {record.examples} examples)")
