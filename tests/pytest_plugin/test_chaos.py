"""Two rounds of `make chaos`, which kills processes of a run at random."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import play_round


@pytest.mark.full
@pytest.mark.parametrize("seed", [0, 4])
def test_nothing_is_lost_doubled_or_misjudged(tmp_path: Path, seed: int) -> None:
    found = play_round(seed, tmp_path)
    assert found.problems == []
    assert found.cells == 48
