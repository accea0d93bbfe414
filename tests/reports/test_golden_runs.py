"""The committed golden runs equal their generator's output, and each has its intended outcomes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.records import RUN_FILE, read_run
from reports.diff import ChangeKind, compare
from reports.page.index import index_of
from tests.golden_runs import FOLDER, runs, write

NAMES = sorted(runs())


def test_they_are_what_the_generator_writes(tmp_path: Path) -> None:
    write(tmp_path)
    assert sorted(path.name for path in FOLDER.iterdir()) == NAMES
    for name in NAMES:
        committed = (FOLDER / name / RUN_FILE).read_text(encoding="utf-8")
        assert committed == (tmp_path / name / RUN_FILE).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "level", "outcomes"),
    [
        ("healthy", "green", {"passed", "not_applicable"}),
        ("interrupted", "incomplete", {"passed", "not_applicable", "not_run"}),
        ("crashed", "red", {"passed", "not_applicable", "crashed", "timed_out"}),
        (
            "failing",
            "red",
            {"passed", "not_applicable", "failed", "xfailed", "xpassed", "inconclusive", "errored"},
        ),
    ],
)
def test_each_shows_its_outcomes(name: str, level: str, outcomes: set[str]) -> None:
    index = index_of(read_run(FOLDER / name))
    assert index.verdict.level == level
    assert {total.sign.name for total in index.totals if total.cells} == outcomes


def test_the_third_night_has_another_torch_and_regressed() -> None:
    nights = [read_run(FOLDER / f"night-{number}") for number in (1, 2, 3)]
    torch = [night.header.versions["torch"] for night in nights]
    assert torch[0] == torch[1] != torch[2]
    assert compare(nights[1], nights[2]).of(ChangeKind.REGRESSED)


def test_each_has_pages(golden: Callable[[str], Path]) -> None:
    for name in NAMES:
        page = golden(name)
        assert len(list((page.parent / "architectures").iterdir())) == 3
