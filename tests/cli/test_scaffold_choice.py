"""`scaffold` without `--like` proposes only architectures that it can follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness import TasksManager, UsageError
from harness.cli.scaffold_draft import draft_like, nearest, with_one_width
from harness.configs import plugins


@pytest.fixture(autouse=True)
def _fixture_folders_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_fixture_directories", list(plugins._fixture_directories))


@pytest.mark.parametrize(
    ("architecture", "first"),
    [
        ("siglip", "clip"),
        ("dinov3_vit", "vit"),
        ("canine", None),
        ("qwen2_5_vl", None),
        ("qwen3_5_moe_text", None),
        ("zamba", None),
    ],
)
def test_each_proposal_can_be_followed(architecture: str, first: str | None) -> None:
    proposed = nearest(architecture)
    assert first in {None, proposed[0]}
    for like in proposed:
        constructors = TasksManager.get_supported_tasks_for_model_type(like).values()
        assert len({constructor.resolve() for constructor in constructors}) == 1, like
        draft_like(architecture, like)  # raises if it cannot be followed


def test_a_proposal_takes_the_same_data() -> None:
    assert not {"vit", "bert"} & set(nearest("siglip")), "they take an image or a text alone"
    assert not {"clip", "bert"} & set(nearest("dinov3_vit"))
    assert not {"clip", "vit"} & set(nearest("canine"))


@pytest.mark.parametrize("architecture", ["univnet", "wav2vec2-bert"])
def test_if_no_registered_architecture_takes_the_data_it_says_so(
    architecture: str, run: Any, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="takes input_features alone in this way"):
        nearest(architecture)
    result = run("scaffold", architecture, "--output", tmp_path)
    result.assert_refused(f"architecture {architecture!r}: nothing registered", "--like")


def test_parts_without_a_projection_between_them_get_one_width() -> None:
    from harness.cli.scaffold_trial import try_on_eager

    draft, problems = try_on_eager(draft_like("siglip", "clip"))
    assert "mat1 and mat2 shapes cannot be multiplied" in problems[0]
    narrow = with_one_width(draft)
    assert narrow is not None
    settings = narrow.fixture["config"]
    assert settings["text_config"]["hidden_size"] == settings["vision_config"]["hidden_size"]
    assert "one hidden_size" in narrow.notes[-1]
    assert try_on_eager(narrow)[1] == []
    assert with_one_width(narrow) is None


def test_what_was_tried_is_named_with_the_reason_why_it_is_left_out(
    run: Any, tmp_path: Path
) -> None:
    result = run("scaffold", "recurrent_gemma", "--like", "llama", "--output", tmp_path)
    assert result.status == 1
    *_, reason, verdict = result.out.splitlines()
    assert reason.startswith("recurrent_gemma is left out so far: some layers cache the state")
    assert verdict.startswith(
        "nothing was written: recurrent_gemma does not behave like llama; try another"
    )
