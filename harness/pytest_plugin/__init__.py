"""Runs the matrix under pytest: one item per cell, a run file and a summary.

Loaded by a root conftest (`pytest_plugins = ["harness.pytest_plugin"]`) or by
`-p harness.pytest_plugin`. It has no entry point, so that unrelated pytest runs do not get its
options.
"""

from __future__ import annotations

import pytest

from harness.pytest_plugin.collection import pytest_generate_tests
from harness.pytest_plugin.context import CONTEXT, RunContext
from harness.pytest_plugin.controller import Controller
from harness.pytest_plugin.options import add_options
from harness.pytest_plugin.runner import (
    assert_conforms,
    conformance_supervisor,
    pytest_runtest_makereport,
)
from harness.pytest_plugin.scheduling import pytest_xdist_make_scheduler
from harness.pytest_plugin.worker import Worker

__all__ = [
    "assert_conforms",
    "conformance_supervisor",
    "pytest_addoption",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_runtest_makereport",
    "pytest_xdist_make_scheduler",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    context = RunContext(config)
    config.stash[CONTEXT] = context
    role = Worker(context) if context.is_worker else Controller(context)
    config.pluginmanager.register(role, f"conformance-{type(role).__name__.lower()}")
