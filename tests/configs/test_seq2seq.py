"""Encoder-decoders: inputs and outputs of each part, and how parts are composed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from transformers import (
    BartConfig,
    BertConfig,
    EncoderDecoderConfig,
    GPT2Config,
    T5Config,
    WhisperConfig,
)

from harness import (
    EncoderDecoderOnnxConfig,
    GPT2OnnxConfig,
    OnnxConfig,
    TasksManager,
    UsageError,
    supported_tasks_mapping,
)
from harness.configs.architectures.bart import (
    BartDecoderOnnxConfig,
    BartOnnxConfig,
    BartReaderOnnxConfig,
)
from harness.configs.architectures.t5 import T5OnnxConfig
from harness.configs.architectures.whisper import WhisperOnnxConfig
from harness.configs.task_table import Axes

T5 = T5Config(num_layers=2, num_decoder_layers=3, d_model=24, d_kv=10, num_heads=4)
BART = BartConfig(
    d_model=24,
    encoder_layers=2,
    decoder_layers=3,
    encoder_attention_heads=2,
    decoder_attention_heads=4,
    max_position_embeddings=64,
    vocab_size=107,
)
WHISPER = WhisperConfig(
    d_model=24,
    encoder_layers=2,
    decoder_layers=3,
    encoder_attention_heads=2,
    decoder_attention_heads=4,
    max_source_positions=15,
    num_mel_bins=10,
)
TEXT_TO_TEXT = [(T5OnnxConfig, T5), (BartOnnxConfig, BART)]
DEPTH = 3

GENERATION = "text2text-generation"
SPEECH = "automatic-speech-recognition"
ENCODED: Axes = {0: "batch_size", 1: "encoder_sequence_length"}
DECODED: Axes = {0: "batch_size", 1: "decoder_sequence_length"}
PAST = "past_decoder_sequence_length"
TOTAL = "past_decoder_sequence_length + decoder_sequence_length"


def cache(prefix: str, **sides: Axes) -> dict[str, Axes]:
    return {
        f"{prefix}.{layer}.{side}.{kind}": axes
        for layer in range(DEPTH)
        for side, axes in sides.items()
        for kind in ("key", "value")
    }


def keys(length: str) -> Axes:
    return {0: "batch_size", 2: length}


def interface(part: OnnxConfig) -> tuple[list[tuple[str, Axes]], list[tuple[str, Axes]]]:
    """Return inputs and outputs in their order."""
    return list(part.inputs.items()), list(part.outputs.items())


def items(**named: Axes) -> list[tuple[str, Axes]]:
    return list(named.items())


@pytest.mark.parametrize(
    ("describe", "config", "generation"),
    [*((*pair, GENERATION) for pair in TEXT_TO_TEXT), (WhisperOnnxConfig, WHISPER, SPEECH)],
)
def test_generation_runs_two_parts_and_continues_with_a_third(
    describe: type[OnnxConfig], config: Any, generation: str
) -> None:
    first, then = ["encoder_model", "decoder_model"], ["decoder_with_past_model"]
    assert list(describe(config, task="feature-extraction").parts) == ["model"]
    assert list(describe(config, task=generation).parts) == first
    for task in ("feature-extraction", generation):
        assert list(describe(config, task=f"{task}-with-past").parts) == first + then


@pytest.mark.parametrize(("describe", "config"), TEXT_TO_TEXT)
def test_features_come_from_the_full_model(describe: type[OnnxConfig], config: Any) -> None:
    assert interface(describe(config)) == (
        items(input_ids=ENCODED, attention_mask=ENCODED, decoder_input_ids=DECODED),
        items(last_hidden_state=DECODED),
    )


@pytest.mark.parametrize("task", [GENERATION, f"{GENERATION}-with-past"])
@pytest.mark.parametrize(("describe", "config"), TEXT_TO_TEXT)
def test_the_encoder_returns_what_the_decoder_takes(
    describe: type[OnnxConfig], config: Any, task: str
) -> None:
    parts = describe(config, task=task).parts
    assert interface(parts["encoder_model"]) == (
        items(input_ids=ENCODED, attention_mask=ENCODED),
        items(last_hidden_state=ENCODED),
    )
    assert parts["decoder_model"].inputs == {
        "encoder_attention_mask": ENCODED,
        "input_ids": DECODED,
        "encoder_hidden_states": ENCODED,
    }


@pytest.mark.parametrize(("describe", "config"), TEXT_TO_TEXT)
def test_without_a_past_the_decoder_returns_no_cache(
    describe: type[OnnxConfig], config: Any
) -> None:
    decoder = describe(config, task=GENERATION).parts["decoder_model"]
    assert list(decoder.outputs.items()) == items(logits=DECODED)


@pytest.mark.parametrize(("describe", "config"), TEXT_TO_TEXT)
@pytest.mark.parametrize(
    ("task", "output"), [(GENERATION, "logits"), ("feature-extraction", "last_hidden_state")]
)
def test_the_first_step_fills_both_caches_and_later_steps_extend_the_decoder_cache(
    describe: type[OnnxConfig], config: Any, task: str, output: str
) -> None:
    parts = describe(config, task=f"{task}-with-past").parts
    encoder = keys("encoder_sequence_length")
    assert interface(parts["decoder_model"]) == (
        items(
            encoder_attention_mask=ENCODED,
            input_ids=DECODED,
            encoder_hidden_states=ENCODED,
        ),
        items(
            **{output: DECODED},
            **cache("present", decoder=keys("decoder_sequence_length"), encoder=encoder),
        ),
    )
    assert interface(parts["decoder_with_past_model"]) == (
        items(
            encoder_attention_mask=ENCODED,
            input_ids=DECODED,
            **cache("past_key_values", decoder=keys(PAST), encoder=encoder),
        ),
        items(**{output: DECODED}, **cache("present", decoder=keys(TOTAL))),
    )


@pytest.mark.parametrize(("describe", "config"), TEXT_TO_TEXT)
def test_what_stands_for_the_encoder_output_after_a_past_has_its_sizes(
    describe: type[OnnxConfig], config: Any
) -> None:
    parts = describe(config, task=f"{GENERATION}-with-past").parts
    decoder = parts["decoder_with_past_model"]
    (unread,) = decoder.call.unread.values()
    sizes = {"batch_size": 2, "encoder_sequence_length": 7}
    like = decoder.generate_dummy_inputs(**sizes)[unread.like]
    assert [like.shape[axis] for axis in unread.axes] == [2, 7]
    assert unread.width == 24


def test_sound_of_a_fixed_length_has_a_dynamic_batch_only_and_no_mask() -> None:
    parts = WhisperOnnxConfig(WHISPER, task=f"{SPEECH}-with-past").parts
    batch: Axes = {0: "batch_size"}
    assert interface(parts["encoder_model"]) == (
        items(input_features=batch),
        items(last_hidden_state=batch),
    )
    assert interface(parts["decoder_model"]) == (
        items(input_ids=DECODED, encoder_hidden_states=batch),
        items(
            logits=DECODED,
            **cache("present", decoder=keys("decoder_sequence_length"), encoder=batch),
        ),
    )
    assert interface(parts["decoder_with_past_model"]) == (
        items(
            input_ids=DECODED,
            **cache("past_key_values", decoder=keys(PAST), encoder=batch),
        ),
        items(logits=DECODED, **cache("present", decoder=keys(TOTAL))),
    )


def test_each_part_has_its_own_axes_and_the_whole_has_all_axes() -> None:
    whole = BartOnnxConfig(BART, task=f"{GENERATION}-with-past")
    for part in whole.parts.values():
        assert part.parts == {"model": part}
    decoder = {"batch_size", "decoder_sequence_length", "encoder_sequence_length"}
    assert {stem: set(part.axis_space.ranges) for stem, part in whole.parts.items()} == {
        "encoder_model": {"batch_size", "encoder_sequence_length"},
        "decoder_model": decoder,
        "decoder_with_past_model": {*decoder, PAST},
    }
    assert set(whole.axis_space.ranges) == {*decoder, PAST}


def test_caches_of_both_sides_have_the_heads_of_the_decoder() -> None:
    parts = BartOnnxConfig(BART, task=f"{GENERATION}-with-past").parts
    feed = parts["decoder_with_past_model"].generate_dummy_inputs(
        batch_size=2,
        decoder_sequence_length=1,
        encoder_sequence_length=9,
        past_decoder_sequence_length=5,
    )
    shapes = {name: tuple(tensor.shape) for name, tensor in feed.items()}
    assert shapes == {
        "encoder_attention_mask": (2, 9),
        "input_ids": (2, 1),
        **dict.fromkeys(cache("past_key_values", decoder={}), (2, 4, 5, 6)),
        **dict.fromkeys(cache("past_key_values", encoder={}), (2, 4, 9, 6)),
    }


def test_static_sizes_of_sound_come_from_the_configuration() -> None:
    parts = WhisperOnnxConfig(WHISPER, task=f"{SPEECH}-with-past").parts
    (sound,) = parts["encoder_model"].generate_dummy_inputs(batch_size=2).values()
    assert sound.shape == (2, 10, 30)
    first = parts["decoder_model"].generate_dummy_inputs(batch_size=2)
    assert first["encoder_hidden_states"].shape == (2, 15, 24)
    feed = parts["decoder_with_past_model"].generate_dummy_inputs(batch_size=2)
    assert feed["past_key_values.2.encoder.value"].shape == (2, 4, 15, 6)


def test_a_task_of_the_decoder_alone_is_refused_but_found_by_the_tasks_manager() -> None:
    refusal = (
        "BartOnnxConfig describes encoder-decoders, text-generation is no task of "
        "theirs; TasksManager.get_exporter_config_constructor finds its description"
    )
    with pytest.raises(UsageError, match=refusal):
        BartOnnxConfig(BART, task="text-generation")
    constructor = TasksManager.get_exporter_config_constructor("onnx", BART, task="text-generation")
    assert isinstance(constructor(BART), BartDecoderOnnxConfig)


@pytest.mark.parametrize(("length", "ends"), [(1, 1), (2, 2), (12, 2)])
def test_texts_for_bart_classification_have_equal_numbers_of_ends(length: int, ends: int) -> None:
    described = BartReaderOnnxConfig(BART, task="text-classification")
    feed = described.generate_dummy_inputs(batch_size=40, sequence_length=length)
    is_end = feed["input_ids"] == BART.eos_token_id
    assert set(is_end.sum(dim=1).tolist()) == {ends}
    assert is_end.any(dim=0).all(), "every position ends some text"


class FakeRun:
    """Runs no part: logits repeat the tokens, other outputs hold the number of the call."""

    def __init__(self, whole: OnnxConfig) -> None:
        self.whole = whole
        self.stems: list[str] = []
        self.feeds: list[dict[str, Any]] = []

    def __call__(self, stem: str, feed: Any) -> dict[str, Any]:
        self.stems.append(stem)
        self.feeds.append(dict(feed))
        part = self.whole.parts[stem]
        assert list(feed) == list(part.inputs)
        made: dict[str, Any] = {name: np.full((1,), len(self.stems)) for name in part.outputs}
        if "logits" in made:
            made["logits"] = feed["input_ids"][..., None]
        return made

    def came_from(self, call: int, name: str) -> int:
        """Return the number of the call whose output is this input of call number `call`."""
        return int(self.feeds[call - 1][name].item())


def whole_feed(length: int) -> dict[str, Any]:
    return {
        "input_ids": np.array([[7, 8, 9]]),
        "attention_mask": np.array([[1, 1, 0]]),
        "decoder_input_ids": 50 + np.arange(length)[None],
    }


def test_parts_are_composed_as_in_generation() -> None:
    """Encode, decode the first half, then decode single tokens from the cache."""
    whole = T5OnnxConfig(T5, task=f"{GENERATION}-with-past")
    run, feed = FakeRun(whole), whole_feed(5)
    together = whole.compose(feed, run)
    assert run.stems == ["encoder_model", "decoder_model", *["decoder_with_past_model"] * 2]
    assert run.feeds[0]["input_ids"].tolist() == [[7, 8, 9]]
    assert run.feeds[0]["attention_mask"].tolist() == [[1, 1, 0]]
    decoded = run.feeds[1:]
    assert [f["input_ids"].tolist() for f in decoded] == [[[50, 51, 52]], [[53]], [[54]]]
    assert all(f["encoder_attention_mask"].tolist() == [[1, 1, 0]] for f in decoded)
    assert run.came_from(2, "encoder_hidden_states") == 1
    for layer in range(DEPTH):
        assert run.came_from(3, f"past_key_values.{layer}.decoder.key") == 2
        assert run.came_from(4, f"past_key_values.{layer}.decoder.key") == 3
        assert run.came_from(4, f"past_key_values.{layer}.encoder.value") == 2
    assert {name: array.tolist() for name, array in together.items()} == {
        "logits": [[[50], [51], [52], [53], [54]]]
    }


@pytest.mark.parametrize(("task", "length"), [(GENERATION, 5), (f"{GENERATION}-with-past", 1)])
def test_the_decoder_runs_once_if_no_step_follows(task: str, length: int) -> None:
    whole = T5OnnxConfig(T5, task=task)
    run = FakeRun(whole)
    together = whole.compose(whole_feed(length), run)
    assert run.stems == ["encoder_model", "decoder_model"]
    assert together["logits"].shape == (1, length, 1)


@pytest.fixture
def two_models() -> EncoderDecoderConfig:
    """An encoder and a decoder with different sizes."""
    return EncoderDecoderConfig(
        encoder=BertConfig(
            vocab_size=11, hidden_size=20, num_hidden_layers=2, max_position_embeddings=30
        ).to_dict(),
        decoder=GPT2Config(vocab_size=7, n_embd=24, n_layer=3, n_head=6, n_positions=16).to_dict(),
    )


def test_each_of_two_combined_models_is_read_by_its_own_names(
    two_models: EncoderDecoderConfig,
) -> None:
    whole = EncoderDecoderOnnxConfig(two_models, task=f"{GENERATION}-with-past")
    encoder, first, continues = whole.parts.values()
    assert encoder.generate_dummy_inputs(encoder_sequence_length=30)["input_ids"].max() == 10
    feed = first.generate_dummy_inputs(batch_size=6, decoder_sequence_length=16)
    assert feed["encoder_hidden_states"].shape[2] == 20
    assert feed["input_ids"].max() == 6
    assert len(cache("past_key_values", decoder={}, encoder={})) + 2 == len(continues.inputs)
    past = continues.generate_dummy_inputs(decoder_sequence_length=1)
    assert {past[name].shape[1::2] for name in past if name.startswith("past")} == {(6, 4)}


def test_each_of_two_combined_models_is_bounded_by_its_own_positions(
    two_models: EncoderDecoderConfig,
) -> None:
    space = EncoderDecoderOnnxConfig(two_models, task=f"{GENERATION}-with-past").axis_space
    assert max(c["encoder_sequence_length"] for c in space.corners()) == 30
    assert max(c["decoder_sequence_length"] + c[PAST] for c in space.corners()) == 16


def test_a_side_is_read_with_any_task_that_it_is_registered_for(
    two_models: EncoderDecoderConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = supported_tasks_mapping("text-classification", onnx=GPT2OnnxConfig)
    monkeypatch.setitem(TasksManager._SUPPORTED_MODEL_TYPE, "gpt2", only)
    whole = EncoderDecoderOnnxConfig(two_models, task=GENERATION)
    assert whole.normalized_config.num_layers == DEPTH


def test_a_side_that_is_not_registered_is_named(
    two_models: EncoderDecoderConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(TasksManager._SUPPORTED_MODEL_TYPE, "bert")
    whole = EncoderDecoderOnnxConfig(two_models, task=GENERATION)
    with pytest.raises(UsageError, match=r"'bert': transformers .* it is not described here"):
        whole.parts["encoder_model"].generate_dummy_inputs()
