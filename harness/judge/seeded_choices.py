"""A Hypothesis backend whose choices depend only on the seed.

Hypothesis' default backend also draws integer constants that it finds in the source of imported
local modules. These differ between a judge process, a command and a canary. How to register a
backend: https://hypothesis.readthedocs.io/en/latest/extensions.html#alternative-backends-for-hypothesis
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider

if TYPE_CHECKING:
    from typing import Any

BACKEND = "onnx-conformance"


class SeededChoices(HypothesisProvider):
    """Hypothesis' default choices, without constants from the source of imported modules."""

    def _maybe_draw_constant(self, *_: Any, **__: Any) -> None:
        return None


AVAILABLE_PROVIDERS[BACKEND] = SeededChoices
