"""Base classes that no registered architecture uses yet, judged on small models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness import (
    CellId,
    CellReport,
    DummyBboxInputGenerator,
    DummyTextInputGenerator,
    EncoderDecoderOnnxConfig,
    NormalizedTextConfig,
    TextEncoderOnnxConfig,
    judge_cell,
    register,
    register_fixtures,
)
from harness.configs import plugins
from harness.evidence.models import tiny_model
from harness.evidence.reference import call_reference

BERT = {
    "model_type": "bert",
    "vocab_size": 107,
    "hidden_size": 20,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 36,
    "max_position_embeddings": 30,
    "pad_token_id": 1,
}
GPT2 = {
    "model_type": "gpt2",
    "vocab_size": 101,
    "n_embd": 24,
    "n_layer": 3,
    "n_head": 6,
    "n_inner": 44,
    "n_positions": 48,
    "bos_token_id": 99,
    "eos_token_id": 100,
}
OTHER_BERT = {
    **BERT,
    "vocab_size": 101,
    "num_hidden_layers": 3,
    "max_position_embeddings": 48,
    "bos_token_id": 99,
}
DECODES = {"is_decoder": True, "add_cross_attention": True}
TINY: dict[str, dict[str, Any]] = {
    "encoder-decoder": {"encoder": BERT, "decoder": GPT2 | DECODES},
    "encoder-decoder~bert": {"encoder": BERT, "decoder": OTHER_BERT | DECODES},
    "layoutlm": {
        "vocab_size": 101,
        "hidden_size": 20,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 36,
        "max_position_embeddings": 64,
        "max_2d_position_embeddings": 53,
        "type_vocab_size": 3,
        "num_labels": 6,
    },
}
GENERATION = "text2text-generation-with-past"


@pytest.fixture(autouse=True)
def _tiny_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    for name, settings in TINY.items():
        fixture = {
            "config": {"model_type": name.partition("~")[0], **settings},
            "perturbation": {"seed": 21, "matrix_std": 0.3, "vector_std": 0.3},
        }
        (tmp_path / "models" / f"{name}.json").write_text(json.dumps(fixture))
    monkeypatch.setattr(plugins, "_fixture_directories", [])
    register_fixtures(tmp_path)


def judged(cell: str) -> CellReport:
    return judge_cell(CellId.parse(cell), profile="smoke")


def messages(report: CellReport) -> str:
    return "\n".join(record.message for record in report.records if record.message)


class TwoModelsOnnxConfig(EncoderDecoderOnnxConfig):
    ATOL_FOR_VALIDATION = 1e-4


@pytest.mark.full
@pytest.mark.parametrize(
    ("architecture", "exporter"),
    [
        ("encoder-decoder", "torchscript"),
        pytest.param("encoder-decoder", "dynamo", marks=pytest.mark.full),
        pytest.param(
            "encoder-decoder~bert",
            "dynamo",
            id="whose decoder slices its positions",
            marks=pytest.mark.full,
        ),
    ],
)
def test_an_encoder_and_a_decoder_put_together(architecture: str, exporter: str) -> None:
    register("encoder-decoder", tasks=[GENERATION])(TwoModelsOnnxConfig)
    report = judged(f"{architecture}/{GENERATION}/opset18/{exporter}")
    assert report.conforms, messages(report)
    covered = report.record("agreement").covered
    assert max(covered["encoder_sequence_length"]) == 30
    assert {0, 24} <= set(covered["past_decoder_sequence_length"])


def test_eager_continues_from_a_cache_in_the_precision_of_the_model() -> None:
    model = tiny_model("encoder-decoder", GENERATION).double()
    part = TwoModelsOnnxConfig(model.config, task=GENERATION).parts["decoder_with_past_model"]
    feed = part.generate_dummy_inputs()
    wide = {name: t.double() if t.is_floating_point() else t for name, t in feed.items()}
    assert call_reference(model, part, wide)["logits"].dtype == "float64"


def test_words_with_their_places_on_a_page() -> None:
    @register("layoutlm", tasks=["token-classification"])
    class LayoutLMOnnxConfig(TextEncoderOnnxConfig):
        ATOL_FOR_VALIDATION = 2e-5
        NORMALIZED_CONFIG_CLASS = NormalizedTextConfig
        DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator, DummyBboxInputGenerator)
        INPUT_NAMES = ("input_ids", "bbox", "attention_mask", "token_type_ids")

    report = judged("layoutlm/token-classification/opset18/torchscript")
    assert report.conforms, messages(report)
