"""The smoke set represents the matrix by quick rows; tested with the registry of this checkout."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from harness.matrix.durations import Durations, read_durations
from harness.matrix.registry import Registry, base_class, middle_end, modalities, read_registry
from harness.matrix.smoke_set import RowSelector, smoke_set


@pytest.fixture
def registry() -> Registry:
    """The registry of this checkout."""
    return read_registry()


def test_the_smoke_set_is_the_quickest_of_each_middle_end_class(registry: Registry) -> None:
    seconds = {
        f"{model}/{task}/{exporter}": 9.0
        for model, tasks in registry.tasks.items()
        for task in tasks
        for exporter in registry.exporters
    }
    quick = {
        f"{model}/{task}/{exporter}": 1.0
        for model, task in [
            *(("bert", "fill-mask"), ("gpt2~external-data", "text-generation-with-past")),
            *(("llama", "text-generation"), ("llama", "text-generation-with-past")),
        ]
        for exporter in registry.exporters
    }
    selectors = smoke_set(registry, Durations.from_rows({**seconds, **quick}))
    rows_by_class: dict[str, set[tuple[str, str]]] = {}
    for model, task in pairs(selectors):
        rows_by_class.setdefault(middle_end(model, task), set()).add((model, task))
    assert rows_by_class["TextEncoderOnnxConfig"] == {("bert", "fill-mask")}
    assert rows_by_class["TextDecoderWithPositionIdsOnnxConfig"] == {
        ("llama", "text-generation"),
        ("llama", "text-generation-with-past"),
    }
    assert set(rows_by_class) == {middle_end(*_own(row)) for row in seconds}
    text = "TextEncoderOnnxConfig"
    known = {row: 9.0 for row in seconds if middle_end(*_own(row)) != text}
    selectors = smoke_set(registry, Durations.from_rows({**known, "bert/fill-mask/dynamo": 99.0}))
    assert ("bert", "fill-mask") in pairs(selectors)  # the only measured row


def test_exporters_that_auto_never_chooses_run_fewer_rows_of_each_kind(registry: Registry) -> None:
    selectors = smoke_set(registry, read_durations())
    by_exporter = {
        exporter: {(row.model, str(row.task)) for row in selectors if row.exporter == exporter}
        for exporter in registry.exporters
    }
    assert by_exporter["dynamo"] == by_exporter["torchscript"] == pairs(selectors)
    modality = modalities(model for model, _ in pairs(selectors))
    kinds = {
        row: (base_class(*row), modality[row[0]], row[1].endswith("-with-past"))
        for row in pairs(selectors)
    }
    fewer = by_exporter["transformers"]
    assert sorted(kinds[row] for row in fewer) == sorted(set(kinds.values()))
    assert fewer < pairs(selectors)


def pairs(selectors: Iterable[RowSelector]) -> set[tuple[str, str]]:
    """The models and tasks of a smoke set."""
    return {(row.model, str(row.task)) for row in selectors}


def _own(row: str) -> tuple[str, str]:
    """The architecture and the task of a row."""
    model, task, _ = row.split("/")
    return model.partition("~")[0], task


def test_relatives_of_a_description_without_middle_end_class_are_one_kind() -> None:
    names = {middle_end(name, "mask-generation") for name in ("sam", "sam2", "sam_hq")}
    assert names == {"SamOnnxConfig"}
    assert middle_end("roberta", "fill-mask") == "TextEncoderOnnxConfig"
