"""What an xdist worker does before it collects: it may stand on another machine."""

from __future__ import annotations

from typing import Any

import pytest

from harness.pytest_plugin.context import RunContext

REFUSAL = "conformance-refusal"
"""In what a worker sends when it ends: why it judges nothing."""


class Worker:
    """A process that judges cells for a controller, if it can judge as that says."""

    def __init__(self, context: RunContext) -> None:
        self._context = context

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """End this worker where it has other versions; the controller ends the run in one line.

        Ended and not raised: xdist would start another worker in its place, again and again.
        """
        refusal = self._context.why_refused
        if refusal is not None:
            output: dict[str, Any] = session.config.workeroutput  # type: ignore[attr-defined]
            output[REFUSAL] = refusal
            pytest.exit(refusal)
