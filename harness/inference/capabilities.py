"""What exporters have to know about a model although eager runs without it: a table.

A description without such a capability agrees with eager, and no exporter writes a right file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.configs import delta_rule, gathered_chunks, selective_scan
from harness.configs.replaced_functions import calls
from harness.configs.routed_experts import RoutesExperts, routes_experts

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.base import OnnxConfig

CAPABILITIES: Mapping[type[Any], Callable[[nn.Module], bool]] = {
    RoutesExperts: routes_experts,
    gathered_chunks.GathersChunks: partial(calls, name=gathered_chunks.SCAN),
    delta_rule.AppliesDeltaRule: partial(calls, name=delta_rule.SCAN),
    selective_scan.ScansTokens: partial(calls, name=selective_scan.SCAN),
}
"""A class of descriptions that rewrites the model for exporters -> whether a model needs it."""


def capabilities_of(model: nn.Module) -> tuple[type[OnnxConfig], ...]:
    """Return the capabilities that the description of a model must have."""
    return tuple(one for one, needs in CAPABILITIES.items() if needs(model))
