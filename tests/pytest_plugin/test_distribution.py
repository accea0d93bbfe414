"""The scheduler on stand-ins of xdist's workers: what each gets, and what a dead one leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from xdist.remote import Producer

from harness.matrix.durations import Durations
from harness.pytest_plugin.architecture_scheduling import ArchitectureScheduling

ITEM = "conformance/test_conformance.py::test_cell[{}]"
CELLS = [
    f"{architecture}/{task}/opset{opset}/dynamo"
    for architecture, task in (
        ("bert", "fill-mask"),
        ("bert", "text-classification"),
        ("gpt2", "text-generation"),
        ("vit", "image-classification"),
    )
    for opset in (14, 18, 21)
]


@dataclass(eq=False)
class Node:
    """A worker that runs what it is sent."""

    name: str
    sent: list[int] = field(default_factory=list)
    is_shut_down: bool = False

    @property
    def gateway(self) -> Any:
        return SimpleNamespace(id=self.name, spec=self.name)

    @property
    def shutting_down(self) -> bool:
        return self.is_shut_down

    def send_runtest_some(self, indices: list[int]) -> None:
        self.sent += indices

    def shutdown(self) -> None:
        self.is_shut_down = True


class Distribution:
    """A scheduler with workers that have collected the same items."""

    def __init__(self, workers: int, rows: dict[str, float] | None = None) -> None:
        config: Any = SimpleNamespace(getvalue=lambda name: ["popen"] * workers)
        config.option = SimpleNamespace(maxprocesses=None, loadscopereorder=True)
        self.items = [ITEM.format(cell) for cell in CELLS]
        self.scheduler = ArchitectureScheduling(
            config, Producer("test"), durations=Durations.from_rows(rows or {})
        )
        self.nodes: list[Any] = [self.add(f"gw{index}") for index in range(workers)]
        self.scheduler.schedule()

    def add(self, name: str) -> Node:
        node: Any = Node(name)
        self.scheduler.add_node(node)
        self.scheduler.add_node_collection(node, self.items)
        added: Node = node
        return added

    def cells(self, node: Node) -> list[str]:
        return [CELLS[index] for index in node.sent]

    def run(self) -> None:
        """Have all workers run, in turns, what they were sent."""
        done = dict.fromkeys(self.nodes, 0)
        while any(done[node] < len(node.sent) for node in self.nodes):
            for node in self.nodes:
                if done[node] < len(node.sent):
                    index = node.sent[done[node]]
                    done[node] += 1
                    self.scheduler.mark_test_complete(node, index)


def scopes(cells: list[str]) -> set[str]:
    return {"/".join(cell.split("/")[:2]) for cell in cells}


def test_every_cell_runs_once_and_a_task_stays_on_one_worker() -> None:
    distribution = Distribution(workers=2)
    distribution.run()
    first, second = (distribution.cells(node) for node in distribution.nodes)
    assert sorted(first + second) == sorted(CELLS)
    assert scopes(first) & scopes(second) == set()
    assert first
    assert second
    assert distribution.scheduler.tests_finished


def test_workers_begin_with_the_architecture_that_takes_longest() -> None:
    rows = {"vit/image-classification/dynamo": 60.0, "bert/fill-mask/dynamo": 1.0}
    distribution = Distribution(workers=1, rows=rows)
    distribution.run()
    (node,) = distribution.nodes
    assert distribution.cells(node)[0].startswith("vit/")


def test_workers_are_shut_down_when_nothing_waits() -> None:
    distribution = Distribution(workers=2)
    assert not all(node.is_shut_down for node in distribution.nodes)
    distribution.run()
    assert all(node.is_shut_down for node in distribution.nodes)


def test_the_cell_of_a_dead_worker_is_handed_out_again_and_only_once() -> None:
    distribution = Distribution(workers=2)
    victim, other = distribution.nodes
    cell = distribution.cells(victim)[0]
    assert distribution.scheduler.remove_node(victim) is None
    replacement: Any = distribution.add("gw2")
    distribution.nodes = [other, replacement]
    holders = [n for n in distribution.nodes if CELLS.index(cell) in n.sent]
    distribution.scheduler._reschedule(replacement)
    if not holders:
        distribution.run()
        holders = [n for n in distribution.nodes if CELLS.index(cell) in n.sent]
    assert len(holders) == 1
    ran = [c for n in distribution.nodes for c in distribution.cells(n)]
    assert ran.count(cell) == 1


def test_a_cell_that_kills_its_worker_twice_is_at_fault() -> None:
    distribution = Distribution(workers=1)
    (first,) = distribution.nodes
    cell = distribution.cells(first)[0]
    assert distribution.scheduler.remove_node(first) is None
    second: Any = distribution.add("gw1")
    distribution.scheduler._reschedule(second)
    assert distribution.cells(second)[0] == cell
    assert distribution.scheduler.remove_node(second) == ITEM.format(cell)
    third: Any = distribution.add("gw2")
    distribution.nodes = [third]
    distribution.scheduler._reschedule(third)
    distribution.run()
    assert cell not in distribution.cells(third)
    assert len(set(distribution.cells(third))) == len(CELLS) - 1


def test_an_idle_worker_leaves_nothing_behind() -> None:
    distribution = Distribution(workers=2)
    distribution.run()
    assert [distribution.scheduler.remove_node(node) for node in distribution.nodes] == [None, None]


def test_another_choice_of_distribution_is_obeyed() -> None:
    from harness.pytest_plugin.scheduling import pytest_xdist_make_scheduler

    config: Any = SimpleNamespace(getvalue=lambda name: "worksteal")
    assert pytest_xdist_make_scheduler(config, Producer("test")) is None


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_no_worker_waits_with_a_single_item(workers: int) -> None:
    """A worker begins an item only when it knows the next one."""
    distribution = Distribution(workers=workers)
    assert all(len(node.sent) > 2 for node in distribution.nodes)
