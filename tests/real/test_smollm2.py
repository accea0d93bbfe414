"""A real decoder, SmolLM2-135M-Instruct, continues prompts alike in eager and in its file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness import TasksManager, export
from tests.real.packages import smollm2
from tests.real.user_loops import File, continue_text
from tests.real.wrong_files import exchange_cache_rows

pytestmark = pytest.mark.full

TASK = "text-generation-with-past"
STEPS = 24
CAPITAL = "The capital of France is"
PROMPTS = [CAPITAL, "Water boils when it is heated, because the molecules of a liquid"]


@dataclass(frozen=True, slots=True)
class Exported:
    """The model and its file."""

    model: Any
    tokenizer: Any
    path: Path


@pytest.fixture(scope="module")
def exported() -> Iterator[Exported]:
    model, tokenizer = smollm2()
    config = TasksManager.get_exporter_config_constructor("onnx", model, task=TASK)(model.config)
    # Half a gigabyte: pytest would keep the folders of three runs.
    with tempfile.TemporaryDirectory() as folder:
        export(model, config, folder)
        yield Exported(model, tokenizer, Path(folder) / "model.onnx")


def _tokens(exported: Exported, prompts: list[str]) -> dict[str, Any]:
    return dict(exported.tokenizer(prompts, padding=True, padding_side="left", return_tensors="np"))


def _eager(exported: Exported, tokens: dict[str, Any]) -> tuple[Any, Any]:
    """Return what `generate()` chooses, and the logits: as `continue_text` does."""
    with torch.no_grad():
        generated = exported.model.generate(
            **{name: torch.tensor(value) for name, value in tokens.items()},
            do_sample=False,
            min_new_tokens=STEPS,
            max_new_tokens=STEPS,
            output_logits=True,
            return_dict_in_generate=True,
        )
    chosen = generated.sequences[:, -STEPS:].numpy()
    return chosen, torch.stack(generated.logits, dim=1).numpy()


def _smallest_margin(logits: Any) -> float:
    """Return the smallest difference of the two largest logits of any step."""
    second, first = np.moveaxis(np.partition(logits, -2)[..., -2:], -1, 0)
    return float((first - second).min())


@pytest.mark.parametrize("prompts", [PROMPTS[:1], PROMPTS], ids=["alone", "padded"])
def test_prompts_are_continued_alike(exported: Exported, prompts: list[str]) -> None:
    tokens = _tokens(exported, prompts)
    assert len(set(tokens["attention_mask"].sum(axis=1))) == len(prompts)
    expected, expected_logits = _eager(exported, tokens)
    got, logits = continue_text(File(exported.path), tokens, STEPS)
    assert got.tolist() == expected.tolist()
    # No step is near a tie: a file with small errors would have to choose the same tokens, too.
    error, margin = np.abs(logits - expected_logits).max(), _smallest_margin(expected_logits)
    assert error * 10 <= margin
    assert exported.tokenizer.decode(got[0]).startswith(" Paris")


def test_a_file_that_exchanges_the_rows_of_its_cache_chooses_other_tokens(
    exported: Exported,
) -> None:
    tokens = _tokens(exported, PROMPTS)
    expected, _ = _eager(exported, tokens)
    wrong = exported.path.with_name("wrong.onnx")
    exchange_cache_rows(exported.path, wrong)
    got, _ = continue_text(File(wrong), tokens, STEPS)
    differs = got != expected
    assert not differs[:, 0].any()  # the first step has no cache
    assert differs.any(axis=1).all()
