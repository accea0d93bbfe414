"""The fixed contracts of a description, as users of Optimum know them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
from transformers import BertConfig, CLIPConfig, DistilBertConfig, GPT2Config, ViTConfig

from harness import (
    BertOnnxConfig,
    CLIPOnnxConfig,
    DistilBertOnnxConfig,
    GPT2OnnxConfig,
    OnnxConfig,
    TasksManager,
    UsageError,
    ViTOnnxConfig,
)
from harness.configs.task_table import TASKS, base_task

TEXT = {0: "batch_size", 1: "sequence_length"}
CHOICES = {0: "batch_size", 1: "num_choices", 2: "sequence_length"}
TOTAL = "past_sequence_length + sequence_length"

# Architecture x task pairs that optimum-onnx 0.1.0 registers.
REGISTERED = {
    "bart": "feature-extraction feature-extraction-with-past question-answering "
    "text-classification text-generation text-generation-with-past text2text-generation "
    "text2text-generation-with-past",
    "bert": "feature-extraction fill-mask multiple-choice question-answering text-classification "
    "token-classification",
    "clip": "feature-extraction image-classification zero-shot-image-classification",
    "distilbert": "feature-extraction fill-mask multiple-choice question-answering "
    "text-classification token-classification",
    "gpt2": "feature-extraction feature-extraction-with-past text-classification text-generation "
    "text-generation-with-past token-classification",
    "llama": "feature-extraction feature-extraction-with-past text-classification text-generation "
    "text-generation-with-past",
    "t5": "feature-extraction feature-extraction-with-past text2text-generation "
    "text2text-generation-with-past",
    "vit": "feature-extraction image-classification masked-im",
    "whisper": "audio-classification automatic-speech-recognition "
    "automatic-speech-recognition-with-past feature-extraction feature-extraction-with-past",
}


def test_bert_outputs_follow_from_the_task() -> None:
    config = BertConfig()
    assert BertOnnxConfig(config).outputs == OrderedDict([("last_hidden_state", TEXT)])
    assert BertOnnxConfig(config, task="text-classification").outputs == OrderedDict(
        [("logits", {0: "batch_size"})]
    )
    assert BertOnnxConfig(config, task="multiple-choice").outputs == OrderedDict(
        [("logits", {0: "batch_size", 1: "num_choices"})]
    )
    assert list(BertOnnxConfig(config, task="question-answering").outputs) == [
        "start_logits",
        "end_logits",
    ]


@pytest.mark.parametrize("task", REGISTERED["bert"].split())
def test_bert_inputs(task: str) -> None:
    axes = CHOICES if task == "multiple-choice" else TEXT
    inputs = BertOnnxConfig(BertConfig(), task=task).inputs
    assert inputs == dict.fromkeys(("input_ids", "attention_mask", "token_type_ids"), axes)


def test_distilbert_has_no_token_types() -> None:
    assert list(DistilBertOnnxConfig(DistilBertConfig()).inputs) == ["input_ids", "attention_mask"]


def test_gpt2_takes_positions_if_generation_feeds_them() -> None:
    config = GPT2Config(n_layer=1)
    assert "position_ids" in GPT2OnnxConfig(config).inputs
    assert "position_ids" in GPT2OnnxConfig(config, task="text-generation").inputs
    assert "position_ids" not in GPT2OnnxConfig(config, task="text-classification").inputs


def test_gpt2_with_past_takes_and_returns_its_cache() -> None:
    described = GPT2OnnxConfig(GPT2Config(n_layer=2), task="text-generation-with-past")
    assert described.inputs["attention_mask"] == {0: "batch_size", 1: TOTAL}
    assert described.inputs["past_key_values.1.value"] == {
        0: "batch_size",
        2: "past_sequence_length",
    }
    assert list(described.outputs) == [
        "logits",
        *(f"present.{layer}.{kind}" for layer in (0, 1) for kind in ("key", "value")),
    ]
    assert described.outputs["present.0.key"] == {0: "batch_size", 2: TOTAL}


def test_gpt2_without_past_returns_no_cache() -> None:
    assert list(GPT2OnnxConfig(GPT2Config(), task="text-generation").outputs) == ["logits"]


def test_only_the_batch_of_vit_is_dynamic() -> None:
    described = ViTOnnxConfig(ViTConfig(), task="image-classification")
    assert described.inputs == {"pixel_values": {0: "batch_size"}}


@pytest.mark.parametrize("task", ["feature-extraction", "zero-shot-image-classification"])
def test_clip_has_separate_batches_of_texts_and_images(task: str) -> None:
    described = CLIPOnnxConfig(CLIPConfig(), task=task)
    text = {0: "text_batch_size", 1: "sequence_length"}
    assert list(described.inputs.items()) == [
        ("input_ids", text),
        ("pixel_values", {0: "image_batch_size"}),
        ("attention_mask", text),
    ]
    assert described.outputs == OrderedDict(
        [
            ("logits_per_image", {0: "image_batch_size", 1: "text_batch_size"}),
            ("logits_per_text", {0: "text_batch_size", 1: "image_batch_size"}),
            ("text_embeds", {0: "text_batch_size"}),
            ("image_embeds", {0: "image_batch_size"}),
        ]
    )


def test_clip_classifies_images_without_a_text() -> None:
    described = CLIPOnnxConfig(CLIPConfig(), task="image-classification")
    assert described.inputs == {"pixel_values": {0: "batch_size"}}
    assert described.outputs == OrderedDict([("logits", {0: "batch_size"})])


@pytest.mark.parametrize("architecture", REGISTERED)
def test_every_pair_that_optimum_registers_is_registered(architecture: str) -> None:
    supported = TasksManager.get_supported_tasks_for_model_type(architecture, "onnx")
    assert set(supported) >= set(REGISTERED[architecture].split())


@pytest.mark.parametrize(
    ("synonym", "task"),
    [
        ("sequence-classification", "text-classification"),
        ("causal-lm", "text-generation"),
        ("causal-lm-with-past", "text-generation-with-past"),
        ("masked-lm", "fill-mask"),
        ("default", "feature-extraction"),
        ("fill-mask", "fill-mask"),
    ],
)
def test_synonyms(synonym: str, task: str) -> None:
    assert TasksManager.map_from_synonym(synonym) == task


def test_a_synonym_describes_the_same_outputs() -> None:
    described = BertOnnxConfig(BertConfig(), task="sequence-classification")
    assert described.task == "text-classification"


WITH_AUTO_CLASS = [
    task
    for task in TasksManager.get_all_tasks()
    if TASKS[base_task(task)].classes[0].auto_class is not None
]


@pytest.mark.parametrize("task", WITH_AUTO_CLASS)
def test_every_task_that_has_an_auto_class_finds_it(task: str) -> None:
    assert TasksManager.get_model_class_for_task(task).__name__.startswith("AutoModel")


def test_the_constructor_takes_a_model_configuration() -> None:
    constructor = TasksManager.get_exporter_config_constructor(
        "onnx", BertConfig(), task="masked-lm"
    )
    assert isinstance(constructor(BertConfig()), BertOnnxConfig)


@pytest.mark.parametrize(
    ("call", "suggestion"),
    [
        (lambda: TasksManager.get_supported_tasks_for_model_type("brt", "onnx"), "bert"),
        (
            lambda: TasksManager.get_exporter_config_constructor(
                "onnx", model_type="bert", task="fil-mask"
            ),
            "fill-mask",
        ),
        (lambda: TasksManager.get_model_class_for_task("token-clasification"), "token-class"),
        (lambda: BertOnnxConfig(BertConfig(), task="fill-mas"), "fill-mask"),
        (lambda: ViTOnnxConfig(ViTConfig(), task="masked-in"), "masked-im"),
    ],
)
def test_the_error_for_an_unknown_name_suggests_the_nearest(call: Any, suggestion: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean .*{suggestion}"):
        call()


def test_a_description_without_inputs_cannot_be_made() -> None:
    class Incomplete(OnnxConfig):
        pass

    with pytest.raises(TypeError, match="inputs"):
        Incomplete(BertConfig())  # type: ignore[abstract]


def test_a_description_has_one_part_by_default() -> None:
    described = BertOnnxConfig(BertConfig())
    assert described.parts == OrderedDict(model=described)
