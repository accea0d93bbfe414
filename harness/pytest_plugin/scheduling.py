"""The hook that gives xdist our scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harness.pytest_plugin.context import CONTEXT

if TYPE_CHECKING:
    from xdist.remote import Producer


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Any:
    """Return our scheduler for `--dist load`, the default of `-n`; None for another `--dist`.

    `--dist loadgroup` is no alternative: it does nothing with xdist 3.8
    (https://github.com/pytest-dev/pytest-xdist/issues/1386).
    """
    if config.getvalue("dist") != "load":
        return None
    from harness.pytest_plugin.architecture_scheduling import ArchitectureScheduling

    return ArchitectureScheduling(config, log, durations=config.stash[CONTEXT].durations)
