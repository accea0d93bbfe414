"""The controller plans, and every process judges that plan."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_runs import RunPytest

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


def test_chosen_opsets_win(run_pytest: RunPytest) -> None:
    result = run_pytest("--profile", "pr", "--opset", "19", "--architecture", "vit")
    assert all("/opset19/" in cell for cell in result.run.header.planned)
