"""Descriptions of files that count positions themselves, although generation feeds them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.configs.base import OnnxConfig
    from harness.configs.task_table import Axes

POSITIONS = "position_ids"


def with_own_positions(config: OnnxConfig) -> OnnxConfig:
    """Return the same description without the input of positions.

    Eager PyTorch then counts them itself, one after the other from the end of the past.
    """
    described = type(config)

    class WithOwnPositions(described):  # type: ignore[misc, valid-type]
        counts_positions_itself = True

        @property
        def inputs(self) -> Mapping[str, Axes]:
            return {name: axes for name, axes in super().inputs.items() if name != POSITIONS}

    WithOwnPositions.__name__ = f"{described.__name__}WithOwnPositions"
    other = copy.copy(config)
    other.__class__ = WithOwnPositions
    return other
