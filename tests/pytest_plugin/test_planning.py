"""Planning: the controller makes the plan, and every process uses it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_runs import SMALL, RunPytest

from harness.records import RunShard

ELSEWHERE = """
import os

from harness.exporters import register_exporter


class Elsewhere:
    name = "elsewhere"

    @property
    def opsets(self):
        return (9,) if "PYTEST_XDIST_WORKER" in os.environ else (14, 18, 20, 21)

    def export(self, model, config, opset, output):
        raise AssertionError("the judge of these tests exports nothing")


register_exporter(Elsewhere())
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_gate_plans_three_opsets_of_an_exporter_in_all_processes(
    run_pytest: RunPytest, project: Path, workers: str
) -> None:
    (project / "elsewhere.py").write_text(ELSEWHERE)
    chosen = ("--exporter", "elsewhere", "--architecture", "vit")
    result = run_pytest("-n", workers, "--profile", "pr", "--config-module", "elsewhere", *chosen)
    assert result.status == 0, result.output
    opsets = {cell.partition("opset")[2].partition("/")[0] for cell in result.run.header.planned}
    assert opsets == {"14", "18", "21"}


def test_shards_are_the_whole_in_pieces(run_pytest: RunPytest) -> None:
    selection = ("--architecture", "bert,vit,gpt2", "--opset", "18", "--hypothesis-seed", "1")
    whole = run_pytest(*selection, run_dir="whole").run
    shards = [
        run_pytest(*selection, "--shard", f"{index}/2", "-n", "2", run_dir=f"shard{index}").run
        for index in (1, 2)
    ]
    planned = [cell for run in shards for cell in run.header.planned]
    assert sorted(planned) == sorted(whole.header.planned)
    assert {**shards[0].records, **shards[1].records} == whole.records
    assert whole.header.shard is None
    cells = len(whole.header.planned)
    for index, run in enumerate(shards, start=1):
        assert run.header.shard == RunShard(index=index, count=2, cells=cells)


@pytest.mark.parametrize("workers", ["0", pytest.param("2", marks=pytest.mark.gate)])
def test_a_shard_without_cells_is_green(run_pytest: RunPytest, workers: str) -> None:
    result = run_pytest(*SMALL, "--shard", "3/3", "-n", workers)
    assert result.status == 0, result.output
    assert "shard 3 of 3: 0 of 8 cells" in result.output
    assert "shard 3 of 3 has no cell: there are fewer architectures than shards" in result.output
    assert "1 skipped" in result.output
    run = result.run
    assert (run.header.planned, run.records) == ({}, {})
    assert run.header.shard == RunShard(index=3, count=3, cells=8)
    assert run.footer is not None
    assert (run.footer.counts, run.footer.exit_status, run.footer.complete) == ({}, 0, True)
    assert (result.directory / "index.html").is_file()
