"""The seed of a cell's examples."""

from __future__ import annotations

from harness.matrix.seeds import cell_seed
from harness.records import CellId


def seed(text: str, *, run: int = 7) -> int:
    return cell_seed(run, CellId.parse(text))


def test_opsets_and_exporters_share_their_examples() -> None:
    assert seed("bert/fill-mask/opset14/dynamo") == seed("bert/fill-mask/opset18/torchscript")


def test_architectures_tasks_and_runs_do_not() -> None:
    seeds = {
        seed("bert/fill-mask/opset14/dynamo"),
        seed("vit/fill-mask/opset14/dynamo"),
        seed("bert/question-answering/opset14/dynamo"),
        seed("bert/fill-mask/opset14/dynamo", run=8),
    }
    assert len(seeds) == 4


def test_the_seed_is_the_same_in_every_process() -> None:
    assert seed("bert/fill-mask/opset14/dynamo", run=0) == 3422640923
