"""What is kept in memory is limited: values by their bytes, open sessions by their weights."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.evidence.byte_cache import ByteCache
from harness.evidence.cell_files import Source
from harness.evidence.evidence import Evidence
from harness.evidence.example import Example
from harness.evidence.open_sessions import OpenSessions
from harness.evidence.sides import PartEvidence

TASK = "text2text-generation-with-past"


def test_a_value_is_computed_once_if_it_fits_and_each_time_if_it_does_not() -> None:
    cache, computed = ByteCache(capacity=1000), list[str]()

    def value(name: str, size: int) -> Callable[[], Any]:
        def compute() -> Any:
            computed.append(name)
            return {"values": np.zeros(size, dtype=np.uint8)}

        return compute

    for _ in range(2):
        assert cache.get("small", value("small", 300))["values"].size == 300
        assert cache.get("large", value("large", 2000))["values"].size == 2000
    assert computed == ["small", "large", "large"]


@pytest.fixture
def evidence(
    exported: Callable[..., Path], subject: Callable[..., Any]
) -> Callable[[int], Evidence]:
    def make(capacity: int) -> Evidence:
        one = subject("t5", TASK)
        folder = exported("t5", TASK).parent
        files = OrderedDict((stem, folder / f"{stem}.onnx") for stem in one.config.parts)
        source = Source(files=files)
        return Evidence(
            model=one.model,
            config=one.config,
            source=source,
            open_sessions=OpenSessions(capacity),
        )

    return make


def _open(part: PartEvidence) -> list[str]:
    return sorted(part._sessions)


def test_the_oldest_session_closes_when_the_weights_of_all_are_too_many(
    evidence: Callable[[int], Evidence],
) -> None:
    first, second = evidence(0).parts[:2]
    example = Example.of(first.config.axis_space.export_sizes, 0)
    outputs = first.candidate(example)
    assert _open(first) == ["first"]
    second.session()
    assert (_open(first), _open(second)) == ([], ["first"])
    again = first.run({name: tensor.numpy() for name, tensor in first.feed(example).items()})
    assert all((again[name] == outputs[name]).all() for name in outputs)
    assert (_open(first), _open(second)) == (["first"], [])


def test_sessions_of_small_files_stay_open(evidence: Callable[[int], Evidence]) -> None:
    first, second = evidence(2**30).parts[:2]
    first.session()
    second.session()
    assert (_open(first), _open(second)) == (["first"], ["first"])
