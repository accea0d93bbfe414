"""An empty project in which tests run pytest."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_runs import NO_EXPECTATIONS, RunPytest


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project that is not this repository."""
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    (directory / NO_EXPECTATIONS).touch()
    return directory


@pytest.fixture
def run_pytest(project: Path) -> RunPytest:
    return RunPytest(project)
