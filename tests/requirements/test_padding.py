"""`padding` refuses wrong results of padded rows, and judges defined positions only."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from harness import CellId, CellReport, Outcome, check, export, judge_cell
from harness.evidence.example import Example
from harness.evidence.model_copies import ModelCopies
from harness.requirements._masking import PATTERNS, padded_feed

MASK = "attention_mask"
Named = dict[str, torch.Tensor]
Run = Callable[[Named], Named]
Fault = Callable[[Run, Named], Named]
Judge = Callable[..., CellReport]

GENERATION = "gpt2/text-generation-with-past"
TRANSLATION = "t5/text2text-generation-with-past"


@pytest.mark.gate_cases(2)
@pytest.mark.parametrize(
    "cell",
    [
        GENERATION,
        "clip/feature-extraction",
        "bart/text-classification",
        "bert/fill-mask",
        "bert/multiple-choice",
        "gpt2/text-classification",
        "llama/text-generation",
        TRANSLATION,
    ],
)
def test_a_correct_export_passes(cell: str) -> None:
    report = judge_cell(
        CellId.parse(f"{cell}/opset18/torchscript"), requirements=["padding"], profile="smoke"
    )
    assert report.conforms, report.records[0].message
    assert report.records[0].examples == 30


@pytest.mark.parametrize("cell", ["vit/image-classification", "clip/image-classification"])
def test_without_a_mask_it_is_not_applicable(cell: str) -> None:
    report = judge_cell(
        CellId.parse(f"{cell}/opset18/torchscript"), requirements=["padding"], profile="smoke"
    )
    assert report.records[0].outcome is Outcome.NOT_APPLICABLE
    assert "no input is a mask" in str(report.records[0].message)


def _shows_the_first_token(run: Run, named: Named) -> Named:
    """Drawn masks never hide the first token, so no other requirement finds this."""
    mask = named[MASK].index_fill(1, torch.tensor([0]), 1)
    return run({**named, MASK: mask})


def _returns_nan_for_masked_rows(run: Run, named: Named) -> Named:
    is_empty = named[MASK].sum(-1) == 0
    logits = run(named)["logits"]
    return {"logits": logits.masked_fill(is_empty[:, None, None], torch.nan)}


@pytest.mark.gate_cases(1)
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (_shows_the_first_token, f"{MASK} (left; "),
        (_returns_nan_for_masked_rows, f"{MASK} (none; "),
    ],
)
def test_a_fault_of_padded_rows_alone_is_refused_by_padding_alone(
    fault: Fault, message: str, judge_fault: Judge
) -> None:
    report = judge_fault("bert/fill-mask", fault)
    red = [r for r in report.records if r.outcome not in (Outcome.PASSED, Outcome.NOT_APPLICABLE)]
    assert [record.requirement for record in red] == ["padding"], report
    assert red[0].message.startswith(message)


def _takes_the_mask_for_a_length(run: Run, named: Named) -> Named:
    """Like a fused attention that takes a number of tokens instead of a mask."""
    mask = named[MASK]
    length = mask.sum(-1, keepdim=True)
    return run({**named, MASK: (torch.ones_like(mask).cumsum(-1) <= length).to(mask.dtype)})


def _shows_the_past(run: Run, named: Named) -> Named:
    mask, tokens = named[MASK], named["input_ids"].shape[1]
    shown = torch.ones_like(mask[:, :-tokens])
    return run({**named, MASK: torch.cat((shown, mask[:, -tokens:]), dim=1)})


def _ignores_the_mask(run: Run, named: Named) -> Named:
    return run({**named, MASK: torch.ones_like(named[MASK])})


def _ignores_the_encoder_mask(run: Run, named: Named) -> Named:
    name = f"encoder_{MASK}"
    hidden = (
        {name: torch.ones_like(named[name])} if "past_key_values.0.decoder.key" in named else {}
    )
    return run({**named, **hidden})


@pytest.mark.gate_cases(2)
@pytest.mark.parametrize(
    ("cell", "fault", "part"),
    [
        ("bert/token-classification", _takes_the_mask_for_a_length, "model"),
        ("bert/fill-mask", _ignores_the_mask, "model"),
        (GENERATION, _takes_the_mask_for_a_length, "model"),
        (GENERATION, _shows_the_past, "model"),
        (TRANSLATION, _ignores_the_encoder_mask, "decoder_with_past_model"),
    ],
)
def test_a_wrong_mask_is_refused(cell: str, fault: Fault, part: str, judge_fault: Judge) -> None:
    record = judge_fault(cell, fault, "padding").record("padding")
    assert record.outcome is Outcome.FAILED
    assert record.part == part
    assert "values of " in record.message


def _differs_for_masked_rows(run: Run, named: Named) -> Named:
    is_empty = named[MASK].sum(-1) == 0
    logits = run(named)["logits"]
    return {"logits": logits + is_empty[:, None, None]}


def test_numbers_that_eager_does_not_define_are_not_judged(judge_fault: Judge) -> None:
    report = judge_fault("bert/fill-mask", _differs_for_masked_rows, "padding")
    assert report.conforms, report.records


@pytest.mark.full
def test_a_model_that_hardly_reacts_to_its_mask_is_inconclusive(
    subject: Callable[..., Any], tmp_path: Path
) -> None:
    one = subject("bert", "fill-mask")
    tame = copy.deepcopy(one.model)
    with torch.no_grad():
        for layer in tame.bert.encoder.layer:
            layer.attention.self.value.weight.zero_()
    export(tame, one.config, tmp_path, opset=18, exporter="torchscript")
    report = check(tmp_path, tame, "fill-mask", opset=18, requirements=["padding"], profile="smoke")
    assert report.records[0].outcome is Outcome.INCONCLUSIVE
    assert "a file that ignores it would have passed" in report.records[0].message


def test_a_mask_over_past_and_tokens_hides_places_of_both(subject: Callable[..., Any]) -> None:
    config = subject(*GENERATION.split("/")).config
    sizes = {"batch_size": 1, "past_sequence_length": 3, "sequence_length": 2}
    feed = padded_feed(config, MASK, Example.of(sizes, 7))
    hidden = feed.tensors[MASK] == 0
    assert hidden.shape == (2 * len(PATTERNS), 5)
    drawn = [0, 1, 2, 3, 4, 9]  # rows 5 to 8 hold padding tokens
    key, ids = feed.hidden["past_key_values.1.key"], feed.hidden["input_ids"]
    assert torch.equal(key[drawn, 0, :, 0], hidden[drawn, :3])
    assert torch.equal(ids[drawn], hidden[drawn, 3:])
    assert not key[5:9].any()
    pad = config.config.pad_token_id
    padded = feed.tensors["input_ids"][5:9][hidden[5:9, 3:]]
    assert pad in padded
    assert set(padded.tolist()) <= {pad, config.config.bos_token_id, config.config.eos_token_id}
    assert "position_ids" in feed.hidden
    other = config.redraw(feed.tensors, feed.hidden, seed=8)
    for name, places in feed.hidden.items():
        changed = other[name] != feed.tensors[name]
        assert not (changed & ~places).any()
        assert changed.any() == (name != "position_ids")


def test_redrawn_ids_keep_the_special_ones_in_place(subject: Callable[..., Any]) -> None:
    """Eager refuses a batch whose rows have different numbers of end tokens."""
    config = subject("bart", "text-classification").config
    feed = config.generate_dummy_inputs(seed=1, batch_size=40, sequence_length=20)
    everywhere = torch.ones_like(feed["input_ids"], dtype=torch.bool)
    other = config.redraw(feed, {"input_ids": everywhere}, seed=2)
    for special in (0, 1, 2):
        assert torch.equal(feed["input_ids"] == special, other["input_ids"] == special)
    assert not torch.equal(feed["input_ids"], other["input_ids"])


def test_switching_the_attention_does_not_change_the_reference(subject: Callable[..., Any]) -> None:
    one = subject("clip", "feature-extraction")
    switched: Any = ModelCopies(one.model).other_attention
    implementations = {
        m.config._attn_implementation for m in switched.modules() if hasattr(m, "config")
    }
    assert implementations == {"eager"}
    assert one.model.config.text_config._attn_implementation == "sdpa"
    pairs = zip(one.model.parameters(), switched.parameters(), strict=True)
    assert all(own.data_ptr() == shared.data_ptr() for own, shared in pairs)


def test_layers_that_choose_their_attention_when_built_are_rebuilt(
    subject: Callable[..., Any],
) -> None:
    one = subject("falcon", "feature-extraction")
    switched: Any = ModelCopies(one.model).other_attention
    feed = one.config.generate_dummy_inputs(batch_size=2, sequence_length=5)
    masks = torch.ones_like(feed[MASK]), torch.zeros_like(feed[MASK])
    with torch.no_grad():
        shown, hidden = (
            (one.model(**named)[0] - switched(**named)[0]).abs().max()
            for named in ({**feed, MASK: mask} for mask in masks)
        )
    assert shown <= one.config.atol < hidden
    assert one.model.config._attn_implementation == "sdpa"
    pairs = zip(one.model.parameters(), switched.parameters(), strict=True)
    assert all(own.data_ptr() == shared.data_ptr() for own, shared in pairs)


def test_a_model_with_one_attention_implementation_has_no_other(
    subject: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = subject("bert", "fill-mask")
    model = copy.deepcopy(one.model)
    model.set_attn_implementation("eager")
    monkeypatch.setattr(type(model), "_supports_sdpa", False)
    assert ModelCopies(model).other_attention is None
