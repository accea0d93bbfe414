"""Keeps the cells of one architecture on one xdist worker, where they share what is costly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harness.pytest_plugin.collection import cell_of

if TYPE_CHECKING:
    from xdist.remote import Producer


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Any:
    """Our scheduler for `--dist load`, which is what `-n` gives; any other choice is obeyed.

    `--dist loadgroup` would be the obvious means, but does nothing with xdist 3.8
    (https://github.com/pytest-dev/pytest-xdist/issues/1386).
    """
    if config.getvalue("dist") != "load":
        return None
    from harness.pytest_plugin.architecture_scheduling import ArchitectureScheduling

    return ArchitectureScheduling(config, log)


def scope_of(nodeid: str) -> str:
    """What must stay together: the cells of one architecture, or the tests of one module."""
    cell = cell_of(nodeid)
    return nodeid.partition("::")[0] if cell is None else f"{cell.library}:{cell.architecture}"
