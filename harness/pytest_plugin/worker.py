"""Checks an xdist worker before it collects, because it may run on another machine."""

from __future__ import annotations

from typing import Any

import pytest

from harness.pytest_plugin.context import RunContext

REFUSAL = "conformance-refusal"
"""Key of the message, in the output of a worker, that says why it judged no cell."""


class Worker:
    """Plug-in of an xdist worker, which judges cells for the controller."""

    def __init__(self, context: RunContext) -> None:
        self._context = context

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Exit if this worker has other package versions than the controller.

        The controller then ends the run with the message. An exception would not do: xdist would
        replace the worker again and again.
        """
        refusal = self._context.version_mismatch
        if refusal is not None:
            output: dict[str, Any] = session.config.workeroutput  # type: ignore[attr-defined]
            output[REFUSAL] = refusal
            pytest.exit(refusal)
