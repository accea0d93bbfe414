"""The real judge under pytest, on a few cheap cells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pytest_runs import LADDER, RunPytest

from harness.exporters import exporter_names

VIT = (
    "--profile",
    "smoke",
    "--architecture",
    "vit",
    "--task",
    "image-classification",
    "--opset",
    "18",
)
WHOLE_SUITE = ("--pyargs", "conformance")
CONFIGS = """\
from pathlib import Path

from harness.configs.architectures.bert import BertOnnxConfig
from harness.configs.plugins import register_fixtures
from harness.configs.tasks import register
from harness.errors import ExporterError
from harness.exporters import register_exporter

register_fixtures(Path(__file__).parent / "theirs")
register("electra", tasks=["text-classification"])(BertOnnxConfig)


class BrokenExporter:
    name = "broken"
    opsets = (18,)

    def export(self, model, config, opset, output):
        raise ExporterError("no luck today")


register_exporter(BrokenExporter())
"""
ELECTRA = {
    "config": {
        "model_type": "electra",
        "vocab_size": 101,
        "embedding_size": 16,
        "hidden_size": 20,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 36,
        "max_position_embeddings": 64,
        "type_vocab_size": 3,
        "num_labels": 6,
    },
    "perturbation": {"seed": 11, "matrix_std": 0.4, "vector_std": 0.3},
}


@pytest.fixture
def their_configs(project: Path) -> str:
    """Module with the architecture, tiny model and exporter of another project; its name."""
    models = project / "theirs" / "models"
    models.mkdir(parents=True)
    (models / "electra.json").write_text(json.dumps(ELECTRA))
    (project / "their_configs.py").write_text(CONFIGS)
    return "their_configs"


SMOKE = [name for name in LADDER if name != "baked-sizes"]


def _passed_but(*not_applicable: str) -> list[str]:
    return ["not_applicable" if name in not_applicable else "passed" for name in SMOKE]


@pytest.mark.gate
def test_a_cell_that_conforms_is_green(run_pytest: RunPytest) -> None:
    result = run_pytest(*VIT, "-n", "2", stub=False, suite=WHOLE_SUITE)
    assert result.status == 0, result.output
    passed = _passed_but("padding", "cache")
    assert result.outcomes("vit/image-classification/opset18/dynamo") == passed
    assert result.outcomes("vit/image-classification/opset18/torchscript") == passed
    agreement = result.run.records["vit/image-classification/opset18/dynamo", "agreement"]
    assert agreement.examples > 0
    assert agreement.worst is not None
    assert "warnings" not in result.output


def test_an_opset_that_none_honours_is_skipped_with_the_reason(run_pytest: RunPytest) -> None:
    result = run_pytest(*VIT[:6], "--opset", "99", "-rs", stub=False)
    assert result.status == 0, result.output
    assert f"{len(exporter_names())} skipped" in result.output
    assert "does not honour opset 99" in result.output


def test_another_project_runs_its_own_architecture(
    run_pytest: RunPytest, their_configs: str
) -> None:
    rows = ("--architecture", "electra", "--task", "text-classification")
    selection = (*rows, "--opset", "18", "--exporter", "torchscript,broken")
    arguments = ("--profile", "smoke", "--config-module", their_configs, *selection)
    result = run_pytest(*arguments, stub=False, suite=WHOLE_SUITE)
    assert result.status == 1, result.output
    good = "electra/text-classification/opset18/torchscript"
    bad = "electra/text-classification/opset18/broken"
    assert result.outcomes(good) == _passed_but("cache")
    assert result.outcomes(bad) == ["failed", *["skipped"] * (len(SMOKE) - 1)]
    assert "no luck today" in result.output
    assert f"replay: python -m harness replay {bad} --requirement export" in result.output
    assert f"--config-module {their_configs}" in result.output
