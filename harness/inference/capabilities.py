"""What exporters have to know about a model although eager runs without it: a table.

A description without such a capability agrees with eager, and no exporter writes a right file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.configs.architectures import chunked_scans, delta_rule, selective_scan
from harness.configs.replaced_functions import calls
from harness.configs.routed_experts import RoutesExperts, routes_experts

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.base import OnnxConfig

CAPABILITIES: Mapping[type[Any], Callable[[nn.Module], bool]] = {
    RoutesExperts: routes_experts,
    chunked_scans.GathersChunks: partial(calls, name=chunked_scans.SCAN),
    delta_rule.AppliesDeltaRule: partial(calls, name=delta_rule.SCAN),
    selective_scan.ScansTokens: partial(calls, name=selective_scan.SCAN),
}
"""A class of descriptions that rewrites the model for exporters -> whether a model needs it."""


def capabilities_of(model: nn.Module) -> tuple[type[OnnxConfig], ...]:
    """Return the capabilities that the description of a model must have."""
    return tuple(one for one, needs in CAPABILITIES.items() if needs(model))
