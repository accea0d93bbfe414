"""Shards are the same on every machine, of nearly equal time, and never split an architecture."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.matrix.durations import Durations
from harness.matrix.plan import Plan
from harness.matrix.shards import Shard, cells_of_shard, parse_shard
from harness.records import CellId

ROWS = {
    "a/t/dynamo": 7.0,
    "b/t/dynamo": 6.0,
    "c/t/dynamo": 5.0,
    "d/t/dynamo": 4.0,
    "d~tall/t/dynamo": 1.0,
    "e/t/dynamo": 3.0,
}


def plan_of(rows: dict[str, float]) -> Plan:
    """Return a plan with one cell for each row."""
    texts = [row.replace("/dynamo", "/opset18/dynamo") for row in rows]
    return {CellId.parse(text): ("export",) for text in texts}


def split(rows: dict[str, float], count: int, plan: Plan | None = None) -> list[list[str]]:
    """Return the tiny models of each shard."""
    shards = [Shard(index=index, count=count) for index in range(1, count + 1)]
    cells = [cells_of_shard(plan or plan_of(rows), s, Durations.from_rows(rows)) for s in shards]
    return [[str(cell).partition("/")[0] for cell in found] for found in cells]


def test_the_longest_goes_where_least_is() -> None:
    assert split(ROWS, 2) == [["a", "d", "d~tall"], ["b", "c", "e"]]
    assert split(ROWS, 3) == [["a"], ["b", "e"], ["c", "d", "d~tall"]]


def test_one_shard_is_the_plan_in_its_order() -> None:
    plan = plan_of(ROWS)
    whole = cells_of_shard(plan, Shard(index=1, count=1), Durations.from_rows(ROWS))
    assert list(whole.items()) == list(plan.items())


def test_the_order_of_a_plan_changes_no_shard() -> None:
    backwards = dict(reversed(list(plan_of(ROWS).items())))
    found = split(ROWS, 2, backwards)
    assert [sorted(shard) for shard in found] == [sorted(shard) for shard in split(ROWS, 2)]


def test_ties_are_decided_by_name() -> None:
    rows = {f"{name}/t/dynamo": 1.0 for name in "dcba"}
    assert split(rows, 2) == [["c", "a"], ["d", "b"]]


def test_a_slightly_longer_cell_moves_nothing() -> None:
    assert split({**ROWS, "a/t/dynamo": 7.4, "e/t/dynamo": 2.9}, 2) == split(ROWS, 2)


def test_more_shards_than_architectures_leave_some_empty() -> None:
    assert split({"a/t/dynamo": 1.0, "b/t/dynamo": 2.0}, 3) == [["b"], ["a"], []]


def test_a_shard_is_read() -> None:
    assert parse_shard("2/3") == Shard(index=2, count=3)


@pytest.mark.parametrize(
    "text", ["3/2", "0/2", "0/0", "x", "", "1", "1/2/3", "-1/2", "1.5/2", "1/"]
)
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"--shard '{text}'"):
        parse_shard(text)
