"""Fixtures: an empty project, in which tests run pytest. Few of these tests run at the gate."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_runs import NO_EXPECTATIONS, RunPytest

RUNNING_PYTEST = frozenset({"run_pytest", "project", "checkout", "result"})
"""Fixtures of tests that start pytest in a process of its own, which costs seconds each."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave nested runs to `make test-all`, unless only a nested run can show the behaviour.

    Those are marked `gate`; planning, resuming and distribution are tested directly beside them.
    """
    for item in items:
        is_nested = RUNNING_PYTEST.intersection(getattr(item, "fixturenames", ()))
        if is_nested and item.get_closest_marker("gate") is None:
            item.add_marker("full")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project that is not this repository."""
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    (directory / NO_EXPECTATIONS).mkdir()
    return directory


@pytest.fixture
def run_pytest(project: Path) -> RunPytest:
    return RunPytest(project)
