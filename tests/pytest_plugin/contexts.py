"""Run contexts without a run: pytest's options parsed in this process, nothing collected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from _pytest.config import _prepareconfig
from pytest_runs import NO_EXPECTATIONS

from harness.pytest_plugin.context import WORKER_INPUT, RunContext


def context_of(directory: Path, *options: str) -> RunContext:
    """Return the context of a controller that was started in `directory` with these options."""
    if not any(option.startswith("--expectations") for option in options):
        (directory / NO_EXPECTATIONS).mkdir(exist_ok=True)
        options = (*options, f"--expectations={directory / NO_EXPECTATIONS}")
    config: Any = _prepareconfig(
        ["-p", "harness.pytest_plugin", f"--rootdir={directory}", "-c/dev/null", *options]
    )
    return RunContext(config)


def worker_of(controller: RunContext, name: str = "gw0") -> RunContext:
    """Return the context of an xdist worker, made of what the controller sends it."""
    config: Any = _prepareconfig(["-p", "harness.pytest_plugin"])
    config.workerinput = {"workerid": name, WORKER_INPUT: controller.dump_for_worker()}
    return RunContext(config)
