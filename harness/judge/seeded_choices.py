"""A Hypothesis backend whose choices follow from the seed.

Hypothesis' own mixes in the integers that it reads in the source of whatever local modules happen
to be imported, which differ between a judge, a command and a canary. (Register a backend:
https://hypothesis.readthedocs.io/en/latest/extensions.html#alternative-backends-for-hypothesis.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider

if TYPE_CHECKING:
    from typing import Any

BACKEND = "onnx-conformance"


class SeededChoices(HypothesisProvider):
    """Hypothesis' own distributions, without constants of modules."""

    def _maybe_draw_constant(self, *_: Any, **__: Any) -> None:
        return None


AVAILABLE_PROVIDERS[BACKEND] = SeededChoices
