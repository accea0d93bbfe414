"""Failing examples of one nightly run are judged again in the next, and deleted once they pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import CellId, Outcome, Record, judge_cell
from harness.configs.axis_space import AxisSpace
from harness.judge import found_examples as module
from harness.judge.found_examples import MAX_STORED, load_found_examples, store_found_examples
from harness.judge.profiles import get_profile
from harness.records import CellReport, FailingExample

CELL = CellId.parse("bert/fill-mask/opset18/torchscript")
OTHER = CellId.parse("bert/fill-mask/opset17/torchscript")
AXES = {"batch_size": 5, "sequence_length": 23}
FIRST, SECOND = 1, 2


@pytest.fixture(autouse=True)
def _store_of_this_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cache_directory", lambda: tmp_path)


@pytest.fixture
def space(subject: Callable[..., object]) -> AxisSpace:
    found: AxisSpace = subject("bert", "fill-mask").config.axis_space  # type: ignore[attr-defined]
    return found


def failed(*seeds: int, cell: CellId = CELL) -> CellReport:
    return CellReport(
        cell,
        tuple(
            Record(
                cell=cell,
                requirement="agreement",
                outcome=Outcome.FAILED,
                failing=FailingExample(axes=AXES, seed=seed),
            )
            for seed in seeds
        ),
    )


def ended(outcome: Outcome, *, cell: CellId = CELL) -> CellReport:
    return CellReport(cell, (Record(cell=cell, requirement="agreement", outcome=outcome),))


def seeds_found(space: AxisSpace, *, seed: int = SECOND, cell: CellId = CELL) -> list[int]:
    return [example.seed for example in load_found_examples(cell, space, seed=seed)]


def count(cell: CellId, profile: str, *, seed: int) -> int:
    few = dataclasses.replace(get_profile(profile), max_examples=3)
    report = judge_cell(cell, profile=few, requirements=["agreement"], seed=seed)
    assert report.conforms
    return report.record("agreement").examples


def test_every_cell_of_the_task_meets_it_until_its_own_passes(space: AxisSpace) -> None:
    alone = count(OTHER, "nightly", seed=SECOND)
    store_found_examples(failed(77), seed=FIRST)
    assert count(OTHER, "nightly", seed=SECOND) == alone + 1
    assert count(CELL, "pr", seed=SECOND) == alone
    assert seeds_found(space) == [77]
    assert count(CELL, "nightly", seed=SECOND) == alone + 1
    assert seeds_found(space) == []


def test_the_run_that_found_it_does_not_meet_it(space: AxisSpace) -> None:
    store_found_examples(failed(77), seed=FIRST)
    assert seeds_found(space, seed=FIRST) == []


@pytest.mark.parametrize("outcome", [Outcome.SKIPPED, Outcome.ERRORED, Outcome.INCONCLUSIVE])
def test_a_cell_without_a_verdict_deletes_nothing(outcome: Outcome, space: AxisSpace) -> None:
    store_found_examples(failed(77), seed=FIRST)
    store_found_examples(ended(outcome), seed=SECOND)
    store_found_examples(ended(Outcome.PASSED, cell=OTHER), seed=SECOND)
    assert seeds_found(space) == [77]
    assert seeds_found(space, cell=dataclasses.replace(CELL, task="token-classification")) == []


def test_the_newest_are_kept_each_once(space: AxisSpace) -> None:
    for seed in [*range(MAX_STORED + 5), 10]:
        store_found_examples(failed(seed), seed=FIRST)
    assert seeds_found(space) == [*(s for s in range(5, MAX_STORED + 5) if s != 10), 10]


def test_an_unreadable_entry_is_skipped(space: AxisSpace, tmp_path: Path) -> None:
    store_found_examples(failed(77), seed=FIRST)
    (folder,) = {path.parent for path in tmp_path.rglob("*") if b"axes" in read(path)}
    (folder / "torn").write_bytes(b'{"axes": ')
    assert seeds_found(space) == [77]


def read(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
