"""One bench per session; all workers share its correct files."""

from __future__ import annotations

import os

import pytest

from tests.faults.library import Bench


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    shared = folder / "fault-suite"
    shared.mkdir(exist_ok=True)
    return Bench(shared)
