"""`cache` refuses each file that continues wrongly from the cache that it returned."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2LMHeadModel

from harness import (
    AxisRange,
    CellId,
    GPT2OnnxConfig,
    Outcome,
    Record,
    TextDecoderOnnxConfig,
    judge_cell,
    register,
    register_exporter,
)
from harness.evidence.cell_files import Source
from harness.evidence.evidence import Evidence
from harness.evidence.example import Example
from harness.evidence.execution import OPTIMISED
from harness.evidence.session import CandidateError
from harness.evidence.sides import PartEvidence
from harness.evidence.tolerance import Tolerance
from harness.exporters._torch import Target
from harness.exporters._wrapper import FlatModel
from harness.exporters.torchscript import TorchScriptExporter
from harness.requirements._decode import GREEDY, compare_rows

GENERATION = "text-generation-with-past"
TRANSLATION = "text2text-generation-with-past"
FEATURES = "feature-extraction-with-past"
SPEECH = "automatic-speech-recognition-with-past"
WITH_PAST = "decoder_with_past_model"
TOGETHER = f"encoder_model + decoder_model + {WITH_PAST}"

Named = dict[str, torch.Tensor]


def _judge(architecture: str, task: str, exporter: str = "torchscript") -> Record:
    cell = CellId.parse(f"{architecture}/{task}/opset18/{exporter}")
    (record,) = judge_cell(cell, profile="smoke", requirements=["cache"]).records
    return record


@pytest.mark.gate_cases(2)
@pytest.mark.parametrize(
    ("architecture", "task", "part"),
    [
        ("gpt2", GENERATION, "model"),
        ("t5", TRANSLATION, TOGETHER),
        ("llama", GENERATION, "model"),
        ("bart", GENERATION, "model"),
        ("bart", TRANSLATION, TOGETHER),
        ("whisper", SPEECH, TOGETHER),
    ],
)
def test_a_correct_export_passes(architecture: str, task: str, part: str) -> None:
    record = _judge(architecture, task)
    assert record.outcome is Outcome.PASSED, record.message
    assert record.part == part
    assert record.message == ""
    assert record.worst is not None
    assert 0 < record.worst.error_ratio < 1


@pytest.mark.gate_cases(1)
@pytest.mark.parametrize("architecture", ["llama", "t5"])
def test_a_task_that_chooses_no_tokens_is_judged_without_greedy_decoding(architecture: str) -> None:
    record = _judge(architecture, FEATURES)
    assert record.outcome is Outcome.PASSED
    assert record.message == (
        f"{GREEDY} are not compared with generate(): {FEATURES} chooses no tokens"
    )


@pytest.mark.parametrize(
    ("architecture", "task"),
    [("bert", "fill-mask"), ("gpt2", "text-generation"), ("t5", "text2text-generation")],
)
def test_it_is_not_applicable_if_no_file_takes_a_cache(architecture: str, task: str) -> None:
    record = _judge(architecture, task)
    assert record.outcome is Outcome.NOT_APPLICABLE
    assert record.message == f"no file of {task} continues from a cache"


class _Wrong(FlatModel):
    """A correct model, apart from the changes of `spoil_inputs` and `spoil_outputs`."""

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        named = dict(zip(self.input_names, tensors, strict=True))
        outputs = super().forward(*self.spoil_inputs(dict(named)).values())
        returned = dict(zip(self.output_names, outputs, strict=True))
        return tuple(self.spoil_outputs(named, returned).values())

    def spoil_inputs(self, named: Named) -> Named:
        return named

    def spoil_outputs(self, named: Named, outputs: Named) -> Named:
        return outputs


def _past(named: Named) -> list[str]:
    return [name for name in named if name.startswith("past")]


def _has_past(named: Named) -> torch.Tensor:
    """Return 1 if the past has tokens, otherwise 0, computed so that a trace keeps it dynamic."""
    return torch.ones_like(named[_past(named)[0]][:1, :1, :, :1]).sum().clamp(max=1)


class _NewTokensOnly(_Wrong):
    """Returns keys and values of the new tokens only."""

    def spoil_outputs(self, named: Named, outputs: Named) -> Named:
        new = named["input_ids"].shape[1]
        return {n: o[:, :, -new:] if n.startswith("present") else o for n, o in outputs.items()}


class _PastIgnored(_Wrong):
    """Replaces the past by zeros."""

    def spoil_inputs(self, named: Named) -> Named:
        return named | {name: named[name] * 0 for name in _past(named)}


class _PositionsRestart(_Wrong):
    """Restarts positions at 0 after a past."""

    def spoil_inputs(self, named: Named) -> Named:
        positions = named["position_ids"]
        first = positions[:, :1] * _has_past(named).to(torch.int64)
        return named | {"position_ids": positions - first}


class _LayersCrossed(_Wrong):
    """Gives each layer the past of another layer."""

    def spoil_inputs(self, named: Named) -> Named:
        names = _past(named)
        others = [*names[2:], *names[:2]]
        return named | {name: named[other] for name, other in zip(names, others, strict=True)}


class _RowsMixed(_Wrong):
    """Gives each row the past of another row, in one layer."""

    def spoil_inputs(self, named: Named) -> Named:
        names = _past(named)[:2]
        return named | {name: named[name].roll(1, dims=0) for name in names}


class _OffWithoutPast(_Wrong):
    """Is wrong only without a past."""

    def spoil_outputs(self, named: Named, outputs: Named) -> Named:
        name = self.output_names[0]
        return outputs | {name: outputs[name] + 0.1 * (1 - _has_past(named))}


class _CrossKeysForValues(_Wrong):
    """Uses the encoder's keys as its values."""

    def spoil_inputs(self, named: Named) -> Named:
        keys = {n: n.removesuffix("value") + "key" for n in named if n.endswith("encoder.value")}
        return named | {name: named[key] + 0 * named[name] for name, key in keys.items()}


class _KeysReturnedAsValues(_Wrong):
    """Returns the encoder's keys as its values; all other outputs are right."""

    def spoil_outputs(self, named: Named, outputs: Named) -> Named:
        keys = {n: n.removesuffix("value") + "key" for n in outputs if n.endswith("encoder.value")}
        return outputs | {name: outputs[key] for name, key in keys.items()}


class _WrongExporter(TorchScriptExporter):
    """Wraps each file that has the input `takes` in a wrong model."""

    name = "wrong-cache"
    opsets = (18,)

    def __init__(self, wrong: type[_Wrong], takes: str) -> None:
        self.wrong = wrong
        self.takes = takes

    def write(self, model: FlatModel, tensors: Any, target: Target) -> None:
        if self.takes in model.input_names:
            model = self.wrong(model.model, target.config)
        super().write(model, tensors, target)


KEY = "past_key_values.0.key"


@pytest.mark.gate_cases(3)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (_NewTokensOnly, "shape of present.0.key: got "),
        (_PastIgnored, "against one full forward: values of logits: got max_abs_diff "),
        (_PositionsRestart, "against one full forward: values of logits: got max_abs_diff "),
        (_LayersCrossed, "against one full forward: values of logits: got max_abs_diff "),
        (_RowsMixed, "against one full forward: values of logits: got max_abs_diff "),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_a_decoder_that_spoils_its_past_is_refused(
    architecture: str, wrong: type[_Wrong], message: str
) -> None:
    register_exporter(_WrongExporter(wrong, KEY))
    record = _judge(architecture, GENERATION, "wrong-cache")
    assert record.outcome is Outcome.FAILED
    assert record.part == "model"
    assert record.blame == "exporter"
    assert re.match(r"\d+ tokens? after a past of [1-9]", record.message), record.message
    assert message in record.message
    assert ", expected " in record.message


def test_a_file_that_is_wrong_only_without_a_past_fails_at_the_prefill() -> None:
    register_exporter(_WrongExporter(_OffWithoutPast, KEY))
    record = _judge("gpt2", GENERATION, "wrong-cache")
    assert record.outcome is Outcome.FAILED
    assert record.message.startswith(
        "prefill of 1 token against one full forward: values of logits: got max_abs_diff 0.1, "
        "expected at most atol 0.0001"
    )


@pytest.mark.parametrize(
    ("wrong", "takes", "stem"),
    [
        pytest.param(
            _CrossKeysForValues, "past_key_values.0.encoder.key", WITH_PAST, marks=pytest.mark.full
        ),
        pytest.param(
            _RowsMixed, "past_key_values.0.decoder.key", WITH_PAST, marks=pytest.mark.full
        ),
        (_KeysReturnedAsValues, "encoder_hidden_states", "decoder_model"),
    ],
)
def test_the_wrong_one_of_several_files_is_named(
    wrong: type[_Wrong], takes: str, stem: str
) -> None:
    register_exporter(_WrongExporter(wrong, takes))
    record = _judge("t5", TRANSLATION, "wrong-cache")
    assert record.outcome is Outcome.FAILED
    assert record.part == stem
    start = f"{stem}: 1 token after a past of 1 against one full forward: values of logits: got "
    assert record.message.startswith(start), record.message


@pytest.mark.parametrize("count", [3, 4, 6])
def test_mixed_rows_are_found_without_eager(
    count: int, subject: Callable[..., Any], tmp_path: Path
) -> None:
    """Each example permutes its rows differently, so any mixture is found."""
    one = subject("gpt2", GENERATION)
    exporter = _WrongExporter(_RowsMixed, KEY)
    source = Source(exporter=exporter, opset=18, directory=tmp_path)
    (part,) = Evidence(model=one.model, config=one.config, source=source).parts
    sizes = {"batch_size": count, "past_sequence_length": 4, "sequence_length": 2}
    findings = [
        finding
        for seed in range(4)
        for finding in compare_rows(
            part, Example.of(sizes, seed), Tolerance.stated(one.config.atol)
        ).findings
    ]
    assert findings
    assert findings[0].message.startswith("rows of the cache in the order [")


def test_the_runtime_is_blamed_for_an_error_of_its_optimiser(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = PartEvidence.run

    def wrongly_optimised(part: PartEvidence, feed: Any) -> Any:
        outputs = run(part, feed)
        is_wrong = part.subject.execution is OPTIMISED
        return outputs | {"logits": outputs["logits"] + float(is_wrong)}

    monkeypatch.setattr(PartEvidence, "run", wrongly_optimised)
    record = _judge("gpt2", GENERATION)
    assert (record.outcome, record.blame) == (Outcome.FAILED, "onnxruntime")


def test_a_file_that_the_runtime_refuses_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(part: PartEvidence, feed: Any) -> Any:
        raise CandidateError("no memory")

    monkeypatch.setattr(PartEvidence, "run", refused)
    record = _judge("gpt2", GENERATION)
    assert record.outcome is Outcome.FAILED
    assert record.message.startswith(
        "prefill of 1 token: got no memory from ONNX Runtime, expected it to run ["
    )


def test_it_is_inconclusive_if_generate_raises_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def generate(model: object, **keywords: object) -> None:
        raise IndexError("out of range")

    monkeypatch.setattr(GPT2LMHeadModel, "generate", generate)
    record = _judge("gpt2", GENERATION)
    assert record.outcome is Outcome.INCONCLUSIVE
    assert record.message.startswith(
        f"cache: {GREEDY} cannot be compared: generate() raised IndexError: out of range ["
    )


class _Positionless(TextDecoderOnnxConfig):
    """GPT-2 without position ids.

    The file is correct, but useless for prompts padded on the left: generation counts their
    positions without the padding.
    """

    ATOL_FOR_VALIDATION = 1e-4
    NORMALIZED_CONFIG_CLASS = GPT2OnnxConfig.NORMALIZED_CONFIG_CLASS


def test_a_description_that_is_wrong_for_padded_prompts_is_refused() -> None:
    register("gpt2", tasks=[GENERATION])(_Positionless)
    record = _judge("gpt2", GENERATION)
    assert record.outcome is Outcome.FAILED
    assert re.match(
        rf"{GREEDY}: got \d+ at step \d of row \d, expected \d+, which generate\(\) chooses by a "
        r"margin of \d\.\d+ \[.*\]\nthe description is at fault: eager PyTorch, fed as described, "
        r"does not choose them ",
        record.message,
    ), record.message
    assert record.blame == "harness"


@pytest.mark.full
def test_a_failure_of_a_random_file_is_kept_if_it_does_not_repeat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Here only the first run is wrong."""
    run, offsets = PartEvidence.run, iter([1.0])

    def wrong_once(part: PartEvidence, feed: Any) -> Any:
        outputs = run(part, feed)
        return outputs | {"logits": outputs["logits"] + next(offsets, 0.0)}

    monkeypatch.setattr(PartEvidence, "run", wrong_once)
    record = _judge("gpt2", GENERATION)
    assert record.outcome is Outcome.FAILED, record.traceback
    assert record.message.startswith("prefill of 1 token against one full forward: ")
    assert record.blame == "exporter"
    assert "\nthe exporter is at fault: the file is not deterministic, " in record.message


class _FromOne(GPT2OnnxConfig):
    """Declares that the past has at least one token."""

    AXIS_RANGES = {"past_sequence_length": AxisRange(1, 24, export=5)}


@pytest.mark.gate_cases(1)
@pytest.mark.parametrize("wrong", [None, _LayersCrossed])
def test_a_file_that_needs_a_past_continues_from_eager(wrong: type[_Wrong] | None) -> None:
    register("gpt2", tasks=[GENERATION])(_FromOne)
    exporter = TorchScriptExporter() if wrong is None else _WrongExporter(wrong, KEY)
    register_exporter(exporter)
    record = _judge("gpt2", GENERATION, exporter.name)
    assert record.outcome is (Outcome.PASSED if wrong is None else Outcome.FAILED), record.message
    assert min(record.covered["past_sequence_length"]) >= 1
